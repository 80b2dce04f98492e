package scenario

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// sendWords are the routes of ActSend.
var sendWords = []string{"heartbeat", "event", "poll", "garbage"}

// sendEvents are the kinds of events of ActSend.
var sendEvents = []string{"DispatchAck", "ActivationCompleted", "Converged", "RollbackComplete"}

var sendSettings = []setting[Act]{
	hostsSetting("as", "h1", func(a *Act) *Hosts { return &a.As }).
		withAbout("the host whose name the body has; without it their own"),
	textSetting("rollout", "stable@r1", func(a *Act) *wire.RolloutID { return &a.Rollout }, parseRollout).
		withAbout("the rollout that the heartbeat or the event names"),
	textSetting("closure", "c1", func(a *Act) *wire.Closure { return &a.Closure }, wire.ParseClosure).
		withAbout("the closure that it tells of"),
	wordSetting("event", sendEvents, func(a *Act) *string { return &a.Event }).
		withAbout("the event's kind"),
	numberSetting("seq", "1", func(a *Act) *int { return &a.Seq }).
		withAbout("the event's number"),
	numberSetting("count", "6", func(a *Act) *int { return &a.Count }).
		withAbout("how many each host sends at once; without it one"),
	textSetting("from", "198.51.100.7", func(a *Act) *wire.Name { return &a.From }, parseAddress).
		withAbout("the address that the heartbeat comes from, as of a second machine; without it that of the host"),
	{key: "wait", example: "2s", about: "how long the poll waits",
		print: func(a *Act) string {
			if a.For == 0 {
				return ""
			}
			return FormatDuration(a.For)
		},
		parse: func(a *Act, s string) (err error) { a.For, err = parseDuration(s, "2s"); return err }},
	unknownSetting,
}

func parseAddress(s string) (wire.Name, error) {
	if _, err := netip.ParseAddr(s); err != nil {
		return "", errors.New("want an IP address")
	}
	return wire.Name(s), nil
}

// numberSetting is a setting of a number from 1 on. Nothing is printed if it is
// 0.
func numberSetting[T any](key, example string, of func(*T) *int) setting[T] {
	return setting[T]{key: key, example: example,
		print: func(t *T) string {
			if *of(t) == 0 {
				return ""
			}
			return strconv.Itoa(*of(t))
		},
		parse: func(t *T, s string) (err error) {
			if *of(t), err = strconv.Atoi(s); err != nil || *of(t) < 1 {
				return errors.New("want 1 or more")
			}
			return nil
		}}
}

// maxSent bounds how many requests each host sends at once.
const maxSent = 10_000

func (a *Act) validateSend(s *Scenario) error {
	switch {
	case !slices.Contains(sendWords, a.Route.String()):
		return &keyError{"route", fmt.Errorf("route is %v; %s", a.Route, oneOf(a.Route.String(), sendWords))}
	case a.Hosts.Last > s.Fleet.Hosts:
		return &keyError{"hosts", fmt.Errorf("want hosts of h1 to h%d", s.Fleet.Hosts)}
	case a.As.First != a.As.Last:
		return &keyError{"as", errors.New("as: want one host")}
	case a.Count < 0 || a.Count > maxSent:
		return &keyError{"count", fmt.Errorf("want a count of 1 to %d", maxSent)}
	case a.Seq < 0:
		return &keyError{"seq", errors.New("want a seq of 1 or more")}
	case a.For%time.Second != 0 || a.For > time.Minute:
		return &keyError{"wait", errors.New("wait: want whole seconds up to 1m")}
	case a.Route == RouteEvent && (a.Event == "" || a.Seq == 0 || a.Rollout == ""):
		return &keyError{"route", errors.New("an event needs event, seq and rollout")}
	case a.Route != RouteEvent && a.Event != "":
		return &keyError{"event", errors.New("only an event has event and seq")}
	case a.Route != RouteEvent && a.Seq != 0:
		return &keyError{"seq", errors.New("only an event has event and seq")}
	case a.Route != RouteHeartbeat && a.From != "":
		return &keyError{"from", errors.New("only a heartbeat has from")}
	case a.Route != RoutePoll && a.For != 0:
		return &keyError{"wait", errors.New("only a poll has wait")}
	case a.Event != "" && !slices.Contains(sendEvents, a.Event):
		return &keyError{"event", errors.New("event: " + oneOf(a.Event, sendEvents))}
	}
	if a.Route == RoutePoll || a.Route == RouteGarbage {
		for _, set := range sendSettings[:3] { // as, rollout, closure
			if set.print(a) != "" {
				return &keyError{set.key, fmt.Errorf("a %v names nothing", a.Route)}
			}
		}
	}
	if i := s.RolloutIndex(a.Rollout); a.Route == RouteEvent && i >= 0 {
		for _, n := range s.RolloutHosts(&s.Rollouts[i]) {
			if a.Hosts.Has(n) && (a.As == Hosts{} || a.As.First == n) {
				return &keyError{"hosts", fmt.Errorf("h%d is in %s: the plane would have to believe what its agent never said; want another host, rollout or name", n, a.Rollout)}
			}
		}
	}
	return nil
}
