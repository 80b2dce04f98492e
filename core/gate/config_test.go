package gate

import (
	"strings"
	"testing"
	"time"
)

func TestTheZeroConfigIsTheDocumentedDefault(t *testing.T) {
	want := Config{Capacity: 1024, HeartbeatReserve: 256, PerHost: 4, ReplyTimeout: 5 * second, MaxRetryAfter: 60 * second}
	if got := newRig(t, Config{}).Config(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestTheConfigInForceMakesTheSameGate(t *testing.T) {
	for _, cfg := range []Config{{}, {Capacity: 1}, {Capacity: 7}, {Capacity: 8, HeartbeatReserve: -5}} {
		first := newRig(t, cfg)
		again := newRig(t, first.Config())
		if first.Config() != again.Config() || first.bulkShare != again.bulkShare {
			t.Errorf("%+v: got %+v, then %+v", cfg, first.Config(), again.Config())
		}
	}
}

func TestABadConfigIsRefusedByTheNameOfItsField(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Capacity: -1}, "capacity is -1, want 1 to 1048576"},
		{Config{Capacity: 1<<20 + 1}, "capacity is 1048577, want 1 to 1048576"},
		{Config{Capacity: 4, HeartbeatReserve: 4}, "heartbeat reserve is 4, want less than the capacity, which is 4, or negative for none"},
		{Config{PerHost: -1}, "per host is -1, want at least 1"},
		{Config{ReplyTimeout: -1}, "reply timeout is -1ns, want more than 0s and at most 1h0m0s"},
		{Config{ReplyTimeout: time.Hour + 1}, "reply timeout is 1h0m0.000000001s, want more than 0s and at most 1h0m0s"},
		{Config{MaxRetryAfter: second - 1}, "max retry after is 999.999999ms, want whole seconds from 1s to 24h0m0s"},
		{Config{MaxRetryAfter: second + 1}, "max retry after is 1.000000001s, want whole seconds from 1s to 24h0m0s"},
		{Config{MaxRetryAfter: 24*time.Hour + second}, "max retry after is 24h0m1s, want whole seconds from 1s to 24h0m0s"},
	} {
		g, err := New[string](c.cfg)
		if g != nil || err == nil || strings.TrimPrefix(err.Error(), "gate: ") != c.want {
			t.Errorf("%+v: got %v, want %s", c.cfg, err, c.want)
		}
	}
	for _, cfg := range []Config{
		{Capacity: 1}, {Capacity: 1 << 20, HeartbeatReserve: 1<<20 - 1}, {PerHost: 1}, {ReplyTimeout: 1},
		{ReplyTimeout: time.Hour}, {MaxRetryAfter: second}, {MaxRetryAfter: 24 * time.Hour},
	} {
		if _, err := New[string](cfg); err != nil {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}
