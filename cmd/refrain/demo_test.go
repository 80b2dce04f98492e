package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// outputWatch is a writer that can be waited on for a text.
type outputWatch struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func newOutputWatch() *outputWatch { return &outputWatch{changed: make(chan struct{}, 1)} }

func (o *outputWatch) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.changed <- struct{}{}:
	default:
	}
	return o.text.Write(p)
}

func (o *outputWatch) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await returns what was written once it has want.
func (o *outputWatch) await(t *testing.T, want string) string {
	t.Helper()
	limit := time.After(patience)
	for {
		if text := o.String(); strings.Contains(text, want) {
			return text
		}
		select {
		case <-o.changed:
		case <-limit:
			t.Fatalf("no %q in\n%s", want, o.String())
		}
	}
}

// startDev runs refrain dev on free ports until the test ends.
func startDev(t *testing.T, flags ...string) (story *demo, printed string) {
	t.Helper()
	story, out := startDevAnd(t, flags...)
	return story, out.await(t, "Ctrl-C ends it")
}

// startDevAnd is startDev for tests that read more of the output.
func startDevAnd(t *testing.T, flags ...string) (*demo, *outputWatch) {
	t.Helper()
	dir := t.TempDir()
	if !slices.Contains(flags, "--dir") {
		issueDevPKI(t, dir)
	}
	out, logs := newOutputWatch(), newOutputWatch()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- runCommand(ctx, &cli{},
			append([]string{"dev", "--dir", dir, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"}, flags...), stdio{out, logs})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("refrain dev ended with %v\n%s", err, logs)
		}
		goleak.VerifyNone(t)
	})
	printed := out.await(t, "Ctrl-C ends it")
	where := regexp.MustCompile(`the control plane is on (\S+), its health and metrics on (\S+)`).FindStringSubmatch(printed)
	if where == nil {
		t.Fatalf("no addresses in\n%s", printed)
	}
	return &demo{dir: dir, url: where[1], ops: where[2]}, out
}

// issueDevPKI makes the certificates of the demo, which takes it a few seconds.
func issueDevPKI(t *testing.T, dir string) {
	t.Helper()
	for _, pairs := range devPKI {
		at := filepath.Join(dir, pairs.dir)
		err := os.MkdirAll(at, 0o700)
		if err == nil {
			err = pairs.issue(at, pairs.names, atOnce())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheDemoAnswersAsItPromises(t *testing.T) {
	story, printed := startDev(t)
	for _, r := range story.requests() {
		if !strings.Contains(printed, story.curl(r)) {
			t.Errorf("%s is not printed as a command", r.Title)
		}
		response, err := story.send(t.Context(), r)
		if r.Cert != "" && strings.HasPrefix(r.Cert, devStranger) {
			if err == nil {
				t.Errorf("%s: %s, want a handshake that fails", r.Title, response.Status)
				response.Body.Close()
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", r.Title, err)
			continue
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Errorf("%s: %v", r.Title, err)
		}
		checkPromise(t, r, response, string(body))
	}
}

// checkPromise compares an answer with the words of Want: the status, a reason
// or field, a header, and what else it names.
func checkPromise(t *testing.T, r demoRequest, got *http.Response, body string) {
	t.Helper()
	want := strings.FieldsFunc(r.Want, func(c rune) bool { return c == ',' || c == ' ' })
	if status := strconv.Itoa(got.StatusCode); status != want[0] {
		t.Errorf("%s: status %s, want %s\n%s", r.Title, status, r.Want, body)
	}
	replay := got.Header.Get("X-Nixfleet-Replay-From")
	if _, promised, found := strings.Cut(r.Want, "X-Nixfleet-Replay-From: "); found != (replay != "") || replay != promised {
		t.Errorf("%s: Replay-From %q, want %s", r.Title, replay, r.Want)
	}
	for word, member := range map[string]string{
		"received_at": `"received_at":"`, "snapshot": `"bootstrap_rollouts":[{`, "dispatch": `"target_closure":`,
		"wrong_identity": `"reason":"wrong_identity"`, "no_certificate": `"reason":"no_certificate"`, "gap": `"reason":"gap"`,
		"wrong_shape": `"reason":"wrong_shape"`, "field": `"field":"at"`, "hosts": `"hosts":[{`, "history": `"kind":"opened"`,
	} {
		if strings.Contains(r.Want, word) && !strings.Contains(body, member) {
			t.Errorf("%s: no %s in the answer, want %s\n%s", r.Title, member, r.Want, body)
		}
	}
}

// With TLS 1.3 the refusal is read after the handshake, if at all: what curl
// prints depends on who is faster.
func TestTheDemoSaysWhatCurlMayPrintForAStranger(t *testing.T) {
	for _, r := range (&demo{}).requests() {
		if !strings.HasPrefix(r.Cert, devStranger) {
			continue
		}
		for _, code := range []string{"(35)", "(55)", "(56)"} {
			if !strings.Contains(r.Want, code) {
				t.Errorf("%q does not name curl's %s", r.Want, code)
			}
		}
	}
}

func TestTheDemoCountsTheFiveReasonsFromTheStart(t *testing.T) {
	story, _ := startDev(t)
	response, err := http.Get(story.ops + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range []string{"not_started", "saturated", "closed", "dropped_reply", "timeout"} {
		if line := `refrain_unavailable_total{reason="` + reason + `"} 0`; !strings.Contains(string(text), line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}

// A second run on the same state has a rollout of its own, so that it answers as
// the first one did.
func TestTheDemoCanBeRunAgainOnItsState(t *testing.T) {
	first := &demo{}
	second := &demo{run: 1}
	if got := first.manifest().ID(); got != "stable@demo" {
		t.Errorf("the first run opens %s", got)
	}
	if got := second.manifest().ID(); got != "stable@demo-2" {
		t.Errorf("the second run opens %s", got)
	}
	dir := t.TempDir()
	for i := range 2 {
		t.Run("", func(t *testing.T) {
			_, out := startDevAnd(t, "--no-fleet", "--dir", dir)
			want := []string{"Rollout stable@demo is open", "Rollout stable@demo-2 is open"}[i]
			if printed := out.await(t, "Ctrl-C ends it"); !strings.Contains(printed, want) || !strings.Contains(printed, "its state is in "+dir) {
				t.Errorf("no %q in\n%s", want, printed)
			}
		})
	}
}
