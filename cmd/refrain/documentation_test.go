package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/refrain-fleet/refrain/internal/sample"
)

// volatile is what each run of a command prints differently: the build, how fast this
// machine is, and the lines of a stack, which any change of a file moves.
var volatile = []*regexp.Regexp{
	// First, since the line break within it depends on how long the build's name is.
	regexp.MustCompile(`(?s)by build .{1,90}?/[a-z0-9]+\.\n`),
	regexp.MustCompile(`\b(unknown|sha256:[0-9a-f]{12}|[0-9a-f]{7,40}(\+changes)?) go\S+ [a-z0-9]+/[a-z0-9]+`),
	regexp.MustCompile(`(?m)^(runs|time|events|repeated) +.*`),
	regexp.MustCompile(`executions, .*`),
	regexp.MustCompile(`(?m)^\t[a-z]+\.\(\*.*:\d+$`),
}

// terminal runs the commands of a document in a directory of their own.
type terminal struct {
	t      *testing.T
	dir    string
	binary string // empty is this build
	env    []string
}

// run returns what a command line prints, to both streams, with the line itself
// as a document shows it.
func (c *terminal) run(line string) string {
	c.t.Helper()
	binary := c.binary
	if binary == "" {
		var err error
		if binary, err = os.Executable(); err != nil {
			c.t.Fatal(err)
		}
	}
	words := strings.Fields(line)
	command := exec.CommandContext(c.t.Context(), binary, words[1:]...)
	command.Args[0] = "refrain" // TestMain runs the command of this name
	command.Dir = c.dir
	command.Env = append(os.Environ(), c.env...)
	out, err := command.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		c.t.Fatal(err)
	}
	return "$ " + line + "\n" + string(out)
}

// file writes a file that a command reads.
func (c *terminal) file(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// scriptFile is a file of a script in testdata/script: what documents show is
// tested there in more ways.
func scriptFile(t *testing.T, script, name string) string {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", "script", script))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	t.Fatalf("%s has no file %s", script, name)
	return ""
}

// grep returns the lines that match.
func grep(pattern, text string) string {
	var b strings.Builder
	keep := regexp.MustCompile(pattern)
	for line := range strings.Lines(text) {
		if keep.MatchString(line) {
			b.WriteString(line)
		}
	}
	return b.String()
}

const docs = "../../docs/"

// Every command of this binary that a document shows, in a block of sh, can be
// parsed: its flags exist, and take what they are given.
func TestDocumentation_CommandsAreOfThisBinary(t *testing.T) {
	files, err := filepath.Glob(docs + "*.md")
	if err != nil {
		t.Fatal(err)
	}
	comment, parsed := regexp.MustCompile(`\s+#.*`), 0
	for _, file := range append(files, "../../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range sample.Blocks(string(text)) {
			if block.Language != "sh" {
				continue
			}
			for line := range strings.Lines(strings.ReplaceAll(block.Text, "\\\n", " ")) {
				words := strings.Fields(comment.ReplaceAllString(line, ""))
				if len(words) == 0 || path.Base(words[0]) != "refrain" {
					continue
				}
				parsed++
				if _, err := parse(&cli{}, words[1:], stdio{io.Discard, io.Discard}); err != nil {
					t.Errorf("%s:%d: %s: %v", filepath.Base(file), block.Line, strings.TrimSpace(line), err)
				}
			}
		}
	}
	if parsed < 20 {
		t.Errorf("%d commands; want more: the search is broken", parsed)
	}
}

// What a document shows of a command's output is what the command prints.
func TestDocumentation_OutputIsWhatIsPrinted(t *testing.T) {
	t.Parallel()
	c := &terminal{t: t, dir: t.TempDir()}
	c.file("typo.scenario", "fleet 1 intervall=1m\nat 2m reply dorp\n")
	c.file("unmet.scenario", scriptFile(t, "sim.txtar", "unmet"))
	c.file("long", scriptFile(t, "sim_diff.txtar", "long"))
	c.file("short", scriptFile(t, "sim_diff.txtar", "short"))

	sample.Check(t, docs+"scenarios.md", "the output", map[string]string{
		"errors": sample.Block("", c.run("refrain sim run typo.scenario")),
		"unmet":  sample.Block("", grep("^UNMET|^FAILED", c.run("refrain sim run unmet.scenario"))),
	}, volatile...)
	diff, _, _ := strings.Cut(c.run("refrain sim diff long short"), "\n\n")
	sample.Check(t, docs+"picture.md", "the output", map[string]string{"diff": sample.Block("", diff)}, volatile...)

	trace := c.run("refrain sim run --seed 3 --profile smoke --trace - --until 8")
	sample.Check(t, docs+"simulation.md", "the output", map[string]string{
		"trace": sample.Block("", grep(` m1 | heartbeat-answered 1`, trace)),
	}, volatile...)

	mutant, err := os.ReadFile("../../scenarios/mutants/testdata/gate-reply-at-the-deadline.txtar")
	if err != nil {
		t.Fatal(err)
	}
	sample.Check(t, docs+"mutants.md", "the file", map[string]string{"mutant": sample.Block("", string(mutant))})
}

// The way from a failing seed to a page is walked as docs/simulation.md shows it,
// with the bugs planted that it plants. The commands that plant them are tried as
// they are shown: they find a line by what it says, since its number changes.
func TestDocumentation_APlantedBugIsFoundAndDrawn(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds two more binaries: not in short mode")
	}
	reserve := walk(t, `/class == Bulk/s/g.bulkShare:/g.cfg.Capacity:/`, "bin/refrain sim search --seeds 1000 --profile storm --workers 1", "reserve.html")
	sample.Check(t, docs+"simulation.md", "an ignored reserve", map[string]string{
		"plant":  sample.Block("", "$ git clone -q . /tmp/scratch && cd /tmp/scratch\n"+reserve.plant),
		"search": sample.Block("", reserve.search),
		"run":    sample.Block("", reserve.run),
		"file":   sample.Block("", reserve.text),
	}, volatile...)
	late := walk(t, `/) Settle(/,/^}/s/return Discard/return Deliver/`, "bin/refrain sim search --seeds 1000 --profile swarm", "late.html")
	sample.Check(t, docs+"simulation.md", "a planted bug", map[string]string{
		"plant":  sample.Block("", "$ git checkout -q core\n"+late.plant),
		"search": sample.Block("", late.search),
		"run":    sample.Block("", late.run),
		"file":   sample.Block("", late.text),
		"state":  sample.Block("", late.firstOfBatch(late.file, strconv.Itoa(late.step-1))),
	}, volatile...)
}

// walked is what a reader sees on the way from a planted bug to a page.
type walked struct {
	*terminal
	plant, search, run, text string
	file                     string
	step                     int // of the violation
}

// walk plants a bug in the gate, searches for it, and draws what is found.
func walk(t *testing.T, script, search, page string) walked {
	t.Helper()
	dir := t.TempDir()
	plant, binary := plantedBinary(t, dir, "core/gate/gate.go", script)
	w := walked{terminal: &terminal{t: t, dir: dir, binary: binary}, plant: plant}
	w.search = w.terminal.run(search)
	written := regexp.MustCompile(`(?m)^written +(\S+)`).FindStringSubmatch(w.search)
	if written == nil {
		t.Fatalf("the search writes no file:\n%s", w.search)
	}
	w.file = written[1]
	text, err := os.ReadFile(filepath.Join(dir, w.file))
	if err != nil {
		t.Fatal(err)
	}
	w.text = "$ cat " + w.file + "\n" + string(text)
	run := w.terminal.run("bin/refrain sim run " + w.file + " --html " + page)
	first, _, _ := strings.Cut(run, "\n")
	_, verdict, _ := strings.Cut(run, "\n\n")
	w.run = first + "\n[…]\n" + verdict
	if page, err := os.Stat(filepath.Join(dir, page)); err != nil || page.Size() < 1000 {
		t.Errorf("the page is %v, %v", page, err)
	}
	found := regexp.MustCompile(`at step (\d+)`).FindStringSubmatch(verdict)
	if found == nil {
		t.Fatalf("the run breaks no rule:\n%s", run)
	}
	if w.step, err = strconv.Atoi(found[1]); err != nil {
		t.Fatal(err)
	}
	return w
}

// firstOfBatch is what jq prints of a state.
func (c *terminal) firstOfBatch(file, step string) string {
	c.t.Helper()
	line := "bin/refrain sim run " + file + " --dump-state " + step
	_, out, _ := strings.Cut(c.run(line), "\n")
	var state struct {
		Plane struct {
			Loop struct{ Batch []json.RawMessage }
		}
	}
	if err := json.Unmarshal([]byte(out), &state); err != nil || len(state.Plane.Loop.Batch) == 0 {
		c.t.Fatalf("%s: no batch: %v\n%s", line, err, out)
	}
	var pretty strings.Builder
	encoder := json.NewEncoder(&pretty)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(state.Plane.Loop.Batch[0]); err != nil {
		c.t.Fatal(err)
	}
	return "$ " + line + " | jq '.plane.loop.batch[0]'\n" + pretty.String()
}

// plantedBinary builds this command with a file changed by a script for sed, and
// returns how a reader does the same. The script has to change one line.
func plantedBinary(t *testing.T, dir, name, script string) (how, binary string) {
	t.Helper()
	path, err := filepath.Abs("../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	after, err := exec.CommandContext(t.Context(), "sed", script, path).Output()
	if err != nil {
		t.Fatalf("sed '%s' %s: %v", script, name, err)
	}
	was, is, at := strings.SplitAfter(string(text), "\n"), strings.SplitAfter(string(after), "\n"), -1
	for i := range min(len(was), len(is)) {
		if was[i] == is[i] {
			continue
		}
		if at >= 0 {
			t.Fatalf("sed '%s' %s changes lines %d and %d; want one line changed", script, name, at+1, i+1)
		}
		at = i
	}
	if at < 0 || len(was) != len(is) {
		t.Fatalf("sed '%s' %s changes no line, or how many there are; want one line changed", script, name)
	}
	how = "$ sed -i '" + script + "' " + name + "\n" +
		"$ git diff -U2 | tail -n 6\n" +
		" " + was[at-2] + " " + was[at-1] + "-" + was[at] + "+" + is[at] + " " + was[at+1] + " " + was[at+2] +
		"$ go build -o bin/refrain ./cmd/refrain\n"

	changed, overlay := filepath.Join(dir, "gate.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(changed, after, 0o600); err != nil {
		t.Fatal(err)
	}
	replaced, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, replaced, 0o600); err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(dir, "refrain")
	build := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return how, binary
}
