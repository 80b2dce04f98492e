package scenario

import (
	"strings"
	"testing"
)

func TestABadSendNamesThePlaceAndWhatWouldBeRight(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"send", "7: \"send\": want ROUTE and HOSTS after it; it is written send ROUTE HOSTS [as=h1]"},
		{"send hartbeat h1", `12: "hartbeat": did you mean heartbeat? want one of heartbeat, event, poll, garbage`},
		{"send operator h1", `12: "operator": want one of heartbeat`},
		{"send heartbeat 1", `22: "1": want hosts such as`},
		{"send heartbeat h9", `22: act "at 2m send heartbeat h9": want hosts of h1 to h3`},
		{"send heartbeat h1 as=h1..h2", `25: act "at 2m send heartbeat h1 as=h1..h2": as: want one host`},
		{"send heartbeat h1 count=0", `25: "count=0": want 1 or more`},
		{"send heartbeat h1 count=10001", `25: act "at 2m send heartbeat h1 count=10001": want a count of 1 to 10000`},
		{"send heartbeat h1 seq=1", `25: act "at 2m send heartbeat h1 seq=1": only an event has event and seq`},
		{"send heartbeat h1 wait=1s", `25: act "at 2m send heartbeat h1 wait=1s": only a poll has wait`},
		{"send poll h1 wait=1500ms", `20: act "at 2m send poll h1 wait=1.5s": wait: want whole seconds up to 1m`},
		{"send poll h1 closure=c1", `20: act "at 2m send poll h1 closure=c1": a poll names nothing`},
		{"send event h2 event=Converged seq=1", `12: act "at 2m send event h2 event=Converged seq=1": an event needs event, seq and rollout`},
		{"send event h2 event=Convergd", `21: "event=Convergd": did you mean Converged?`},
		{"send event h1 event=Converged seq=1 rollout=stable@r1", `18: act "at 2m send event h1 rollout=stable@r1 event=Converged seq=1": h1 is in stable@r1: the plane would have to believe what its agent never said`},
		{"send event h2 as=h1 event=Converged seq=1 rollout=stable@r1", ""},
	} {
		_, err := ParseFile("", "fleet 3\nrollout stable@r1 at=30s target=c1 hosts=h1\nat 2m "+c.line)
		if want := "line 3, column " + c.want; c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%s: %v, want %s", c.line, err, want)
		}
	}
}
