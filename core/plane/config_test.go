package plane_test

import (
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
)

func TestAConfigurationHasDefaults(t *testing.T) { // PROTOCOL A5, L1
	for _, c := range []struct{ got, want plane.Config }{
		{plane.Config{}, plane.Config{HeartbeatInterval: 60 * time.Second, StallAfter: 10 * time.Second, MaxReplays: 256}},
		{plane.Config{HeartbeatInterval: 6 * time.Second}, plane.Config{HeartbeatInterval: 6 * time.Second, StallAfter: time.Second, MaxReplays: 256}},
		{plane.Config{StallAfter: 7 * time.Second}, plane.Config{HeartbeatInterval: 60 * time.Second, StallAfter: 7 * time.Second, MaxReplays: 256}},
	} {
		p, err := plane.New(c.got)
		if err != nil {
			t.Fatal(err)
		}
		c.want.EventBudget, c.want.Slice = plane.DefaultEventBudget, plane.DefaultSlice
		equal(t, "the configuration", p.Config(), c.want)
		equal(t, "the time between ticks", c.got.TickEvery(), c.want.StallAfter/2)
	}
}

func TestABadConfigurationNamesTheField(t *testing.T) {
	for _, c := range []struct {
		cfg  plane.Config
		want string
	}{
		{plane.Config{HeartbeatInterval: time.Second - 1}, "plane: heartbeat interval is 999.999999ms; want at least 1s"},
		{plane.Config{HeartbeatInterval: -time.Minute}, "plane: heartbeat interval is -1m0s; want at least 1s"},
		{plane.Config{StallAfter: -1}, "plane: stall after is -1ns; want more than 0 and less than the heartbeat interval, 1m0s"},
		{plane.Config{Slice: -1}, "plane: slice is -1 hosts; want at least 1"},
		{plane.Config{StallAfter: time.Minute}, "plane: stall after is 1m0s; want more than 0 and less than the heartbeat interval, 1m0s"},
		{plane.Config{EventBudget: plane.EventBudget{Bytes: 1023}}, "plane: event budget is 1023 bytes; want at least 1024"},
		{plane.Config{EventBudget: plane.EventBudget{Events: -1}}, "plane: event budget is -1 events; want at least 1"},
		{plane.Config{EventBudget: plane.EventBudget{Per: time.Second - 1}}, "plane: event budget is refilled in 999.999999ms; want at least 1s"},
		{plane.Config{MaxReplays: -1}, "plane: max replays is -1; want 1 to 65536"},
		{plane.Config{MaxReplays: 65537}, "plane: max replays is 65537; want 1 to 65536"},
	} {
		_, err := plane.New(c.cfg)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: got %v; want %s", c.cfg, err, c.want)
		}
	}
	for _, cfg := range []plane.Config{
		{HeartbeatInterval: time.Second}, {StallAfter: 1}, {StallAfter: time.Minute - 1}, {MaxReplays: 1}, {MaxReplays: 65536},
	} {
		if _, err := plane.New(cfg); err != nil {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}
