package plane_test

import (
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
)

func TestAConfigurationHasDefaults(t *testing.T) { // PROTOCOL A5, L1
	for _, c := range []struct{ got, want plane.Config }{
		{plane.Config{}, plane.Config{HeartbeatInterval: 60 * time.Second, StallAfter: 10 * time.Second, Slice: 2048}},
		{plane.Config{HeartbeatInterval: 6 * time.Second}, plane.Config{HeartbeatInterval: 6 * time.Second, StallAfter: time.Second, Slice: 2048}},
		{plane.Config{StallAfter: 7 * time.Second}, plane.Config{HeartbeatInterval: 60 * time.Second, StallAfter: 7 * time.Second, Slice: 2048}},
	} {
		p, err := plane.New(c.got)
		if err != nil {
			t.Fatal(err)
		}
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
	} {
		_, err := plane.New(c.cfg)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: got %v; want %s", c.cfg, err, c.want)
		}
	}
	for _, cfg := range []plane.Config{
		{HeartbeatInterval: time.Second}, {StallAfter: 1}, {StallAfter: time.Minute - 1},
	} {
		if _, err := plane.New(cfg); err != nil {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}
