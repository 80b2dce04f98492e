package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/releasefile"
)

// releaseDiffCommand compares two releases.
type releaseDiffCommand struct {
	JSON bool   `name:"json" help:"Print one JSON object and nothing else."`
	Old  string `arg:"" help:"The directory of a release, such as the one in force."`
	New  string `arg:"" help:"The directory of another one."`
}

// Help implements [kong.HelpProvider].
func (*releaseDiffCommand) Help() string {
	return "Compares the fleets and the lists, member by member. When a document was signed, and by which algorithm, is no difference, and rollout manifests follow from the fleet. Exits with 1 if they differ. It looks at no signature."
}

// releaseChange is one member that differs.
type releaseChange struct {
	File string `json:"file"`
	Path string `json:"path"`
	Old  string `json:"old,omitempty"` // JSON; empty if it was added
	New  string `json:"new,omitempty"` // JSON; empty if it was removed
}

// Run implements the command.
func (c *releaseDiffCommand) Run(io stdio) error {
	old, err := releasefile.Read(c.Old)
	if err != nil {
		return releaseError(err)
	}
	current, err := releasefile.Read(c.New)
	if err != nil {
		return releaseError(err)
	}
	changes := []releaseChange{}
	for _, name := range []string{releasefile.Fleet, releasefile.Revocations, releasefile.Nonces} {
		before, err := membersOf(old, name)
		if err != nil {
			return err
		}
		after, err := membersOf(current, name)
		if err != nil {
			return err
		}
		report := func(path, before, after string) {
			changes = append(changes, releaseChange{File: name, Path: path, Old: before, New: after})
		}
		switch {
		case before == nil && after == nil:
		case before == nil:
			report("the file", "", textOfMember(after))
		case after == nil:
			report("the file", textOfMember(before), "")
		default:
			compareMembers(before, after, "", report)
		}
	}
	if c.JSON {
		if err := writeJSON(io.Out, map[string]any{"old": c.Old, "new": c.New, "same": len(changes) == 0, "changes": changes}); err != nil {
			return err
		}
	} else if len(changes) == 0 {
		fmt.Fprintf(io.Out, "SAME %s and %s: nothing differs but when they were signed\n", c.Old, c.New)
	}
	for i := range changes {
		if c.JSON {
			break
		}
		changes[i].print(io)
	}
	if len(changes) > 0 {
		return errViolation
	}
	return nil
}

func (c *releaseChange) print(io stdio) {
	path := c.Path
	if c.File != releasefile.Fleet {
		path = c.File + " " + path
	}
	switch {
	case c.Old == "":
		fmt.Fprintf(io.Out, "+ %s  %s\n", path, c.New)
	case c.New == "":
		fmt.Fprintf(io.Out, "- %s  %s\n", path, c.Old)
	default:
		fmt.Fprintf(io.Out, "~ %s  %s -> %s\n", path, c.Old, c.New)
	}
}

// membersOf reads a document of a release without what each signing changes; nil if
// the release has none.
func membersOf(r *releasefile.Release, name string) (any, error) {
	text := r.Files[name]
	if text == nil {
		return nil, nil
	}
	canonical, err := wire.Canonical(text)
	if err != nil {
		return nil, releaseError(fmt.Errorf("%s: %w", r.Path(name), &artifact.Refusal{Reason: artifact.NotJSON, Detail: err.Error()}))
	}
	decoder := json.NewDecoder(strings.NewReader(string(canonical)))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if members, ok := value.(map[string]any); ok {
		if meta, ok := members["meta"].(map[string]any); ok {
			delete(meta, "signedAt")
			delete(meta, "signatureAlgorithm")
		}
	}
	return value, nil
}

// compareMembers reports what differs: objects member by member, all else as a whole.
func compareMembers(before, after any, path string, report func(path, before, after string)) {
	a, isObject := before.(map[string]any)
	b, areObjects := after.(map[string]any)
	if !isObject || !areObjects {
		x, y := textOfMember(before), textOfMember(after)
		if x != y {
			report(path, x, y)
		}
		return
	}
	names := slices.Concat(slices.Collect(maps.Keys(a)), slices.Collect(maps.Keys(b)))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		before, was := a[name]
		after, is := b[name]
		switch at := joinKey(path, name); {
		case was && is:
			compareMembers(before, after, at, report)
		case was:
			report(at, textOfMember(before), "")
		default:
			report(at, "", textOfMember(after))
		}
	}
}

// textOfMember writes a value in one line.
func textOfMember(value any) string {
	if value == nil {
		return "null"
	}
	var text strings.Builder
	if err := writeJSON(&text, value); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(text.String())
}
