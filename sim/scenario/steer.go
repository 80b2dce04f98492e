package scenario

import "github.com/refrain-fleet/refrain/core/plane"

// steerActs are the acts by which operators steer, and what they are to the plane
// (PROTOCOL O).
var steerActs = map[ActKind]plane.SteerAct{
	ActPause: plane.Pause, ActAbort: plane.Abort, ActSkip: plane.Skip,
	ActCordon: plane.Cordon, ActUncordon: plane.Uncordon, ActForget: plane.Forget,
}

// Steers returns what an act is to the plane, if an operator steers by it.
func (a *Act) Steers() (plane.SteerAct, bool) {
	act, steers := steerActs[a.Kind]
	return act, steers
}

// ofRollout is the form of an act about a rollout.
func ofRollout(name, about string) actForm {
	return actForm{
		word: name, names: []string{"ROLLOUT"}, about: about,
		take:  func(a *Act, w []word) error { return takeText(w[0], &a.Rollout, parseRollout) },
		print: func(a *Act) string { return string(a.Rollout) }, settings: []setting[Act]{bySetting, unknownSetting},
	}
}

// ofHost is the form of an act about a host.
func ofHost(name, about string) actForm {
	return actForm{
		word: name, names: []string{"HOST"}, about: about,
		take:  func(a *Act, w []word) error { return takeText(w[0], &a.Hosts, ParseHosts) },
		print: func(a *Act) string { return a.Hosts.String() }, settings: []setting[Act]{bySetting, unknownSetting},
	}
}

// ofBoth is the form of an act about a host in a rollout.
func ofBoth(name, about string) actForm {
	return actForm{
		word: name, names: []string{"HOST", "ROLLOUT"}, about: about,
		take: func(a *Act, w []word) error {
			if err := takeText(w[0], &a.Hosts, ParseHosts); err != nil {
				return err
			}
			return takeText(w[1], &a.Rollout, parseRollout)
		},
		print: func(a *Act) string { return a.Hosts.String() + " " + string(a.Rollout) }, settings: []setting[Act]{bySetting, unknownSetting},
	}
}
