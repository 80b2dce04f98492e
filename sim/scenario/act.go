package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// ActKind is what an operator does besides opening rollouts.
type ActKind uint8

// What an operator does.
const (
	// ActResume resumes a rollout.
	ActResume ActKind = iota + 1
	// ActChoose puts a held rollout in force.
	ActChoose
	// ActClear clears the quarantine of a closure on a channel.
	ActClear
	// ActRevoke revokes the certificates of a host; a new one is issued to it
	// after For, if For is not 0.
	ActRevoke
	// ActOpen sends the manifest of a rollout of the scenario once more.
	ActOpen
	// ActSend is somebody on hosts who sends requests with their certificates,
	// beside their agents. It is sent once, and nobody waits for the answer.
	ActSend
	// ActRead reads a list, a host or a rollout, page by page.
	ActRead
	// ActCompact compacts a copy of the plane's database: rollouts that have been
	// finished for longer than For are retired from it.
	ActCompact
	// ActSign signs the release again that came with a rollout, and puts it into the
	// plane's directory.
	ActSign
	// ActPause, ActAbort, ActSkip, ActCordon, ActUncordon and ActForget steer
	// (PROTOCOL O).
	ActPause
	ActAbort
	ActSkip
	ActCordon
	ActUncordon
	ActForget

	actKindEnd
)

// Act is one act of an operator. It is sent until the plane has taken it.
type Act struct {
	At      time.Duration
	Kind    ActKind
	Rollout wire.RolloutID
	Channel wire.Channel
	Closure wire.Closure
	Hosts   Hosts
	For     time.Duration
	// Unknown says that the scenario does not have all that the act names, and
	// that this is meant: the plane is asked about what it has never seen.
	Unknown bool
	// By is the number of the operator, from 1; 0 is the first. Count is the limit
	// of a page of ActRead.
	By int
	// State is what ActRead leaves out all others of; 0 for none.
	State wire.State
	// List is what ActRead reads; empty for Hosts or Rollout.
	List string
	// Before is how long before it certificates were issued that ActRevoke refuses;
	// 0: all that were issued until then. Soak is the soak time of every wave in
	// what ActOpen sends; 0: its own.
	Before, Soak time.Duration

	// Of ActSend: the route, whose name the body has (their own, if it is
	// zero), an event's kind and number, and how many each host sends at once.
	Route Route
	As    Hosts
	Event string
	Seq   int
	Count int
	// From is the address that a heartbeat comes from; empty for that of the host.
	From wire.Name
}

// actForm is how an act of a kind is written: its word, what follows it, and
// its settings.
type actForm struct {
	word     string
	names    []string // of what has to follow the word
	about    string
	take     func(*Act, []word) error
	print    func(*Act) string
	settings []setting[Act]
}

var actForms = [actKindEnd]actForm{
	ActResume: {
		word: "resume", names: []string{"ROLLOUT"}, about: "let a halted rollout go on",
		take:  func(a *Act, w []word) error { return takeText(w[0], &a.Rollout, parseRollout) },
		print: func(a *Act) string { return string(a.Rollout) }, settings: []setting[Act]{bySetting, unknownSetting},
	},
	ActChoose: {
		word: "choose", names: []string{"ROLLOUT"}, about: "put a held rollout in force",
		take:  func(a *Act, w []word) error { return takeText(w[0], &a.Rollout, parseRollout) },
		print: func(a *Act) string { return string(a.Rollout) }, settings: []setting[Act]{bySetting, unknownSetting},
	},
	ActClear: {
		word: "clear", names: []string{"CHANNEL", "CLOSURE"}, about: "clear the quarantine of a closure on a channel",
		take: func(a *Act, w []word) error {
			a.Channel = wire.Channel(w[0].text)
			return takeText(w[1], &a.Closure, wire.ParseClosure)
		},
		print:    func(a *Act) string { return string(a.Channel) + " " + string(a.Closure) },
		settings: []setting[Act]{bySetting, unknownSetting},
	},
	ActRevoke: {
		word: "revoke", names: []string{"HOST"}, about: "revoke a host's certificates",
		take:  func(a *Act, w []word) error { return takeText(w[0], &a.Hosts, ParseHosts) },
		print: func(a *Act) string { return a.Hosts.String() },
		settings: []setting[Act]{
			{key: "reissue", example: "1m", about: "how long after it the host is given a new one; without it, never",
				print: func(a *Act) string {
					if a.For == 0 {
						return ""
					}
					return FormatDuration(a.For)
				},
				parse: func(a *Act, s string) (err error) { a.For, err = parseDuration(s, "1m"); return err }},
			beforeSetting, bySetting, unknownSetting,
		},
	},
	ActOpen: {
		word: "open", names: []string{"ROLLOUT"}, about: "send the manifest of a rollout of the scenario once more",
		take:     func(a *Act, w []word) error { return takeText(w[0], &a.Rollout, parseRollout) },
		print:    func(a *Act) string { return string(a.Rollout) },
		settings: []setting[Act]{soakSetting, bySetting},
	},
	ActSign: {
		word: "sign", names: []string{"ROLLOUT"},
		about:    "sign the release again that came with a signed rollout, and put it into the plane's directory",
		take:     func(a *Act, w []word) error { return takeText(w[0], &a.Rollout, parseRollout) },
		print:    func(a *Act) string { return string(a.Rollout) },
		settings: []setting[Act]{soakSetting},
	},
	ActRead: {
		word: "read", names: []string{"LIST"},
		about: "read hosts, rollouts, quarantine, revocations, one host, one rollout or its history, page by page",
		take:  takeList, print: printList, settings: []setting[Act]{eventsSetting, planSetting, stateSetting, limitSetting, bySetting, unknownSetting},
	},
	ActCompact: {
		word: "compact", names: []string{"AGE"},
		about: "compact a copy of the plane's database, as refrain db compact does: rollouts that have been finished for longer are retired from the copy",
		take: func(a *Act, w []word) (err error) {
			if a.For, err = parseDuration(w[0].text, "10m"); err != nil {
				return w[0].wrong("%w", err)
			}
			return nil
		},
		print: func(a *Act) string { return FormatDuration(a.For) },
	},
	ActPause:    ofRollout("pause", "have nothing of a rollout offered until it is resumed"),
	ActAbort:    ofRollout("abort", "end a rollout: nothing of it is dispatched any more"),
	ActSkip:     ofBoth("skip", "let a rollout go on without a host"),
	ActCordon:   ofHost("cordon", "have no dispatch offered to a host"),
	ActUncordon: ofHost("uncordon", "let dispatches be offered to a host again"),
	ActForget:   ofHost("forget", "say that a host is gone, until its next heartbeat"),
	ActSend: {
		word: "send", names: []string{"ROUTE", "HOSTS"},
		about: "somebody on these hosts sends heartbeats, events, polls or garbage with their certificates, beside their agents, and does not wait for the answers",
		take: func(a *Act, w []word) error {
			at := slices.Index(routeTexts[:], w[0].text)
			if at < 0 || !slices.Contains(sendWords, w[0].text) {
				return w[0].wrong("%s", oneOf(w[0].text, sendWords))
			}
			a.Route = Route(at)
			return takeText(w[1], &a.Hosts, ParseHosts)
		},
		print:    func(a *Act) string { return a.Route.String() + " " + a.Hosts.String() },
		settings: sendSettings,
	},
}

// unknownSetting marks an act that names on purpose what the scenario does not
// have.
var unknownSetting = setting[Act]{key: unknownKey, example: "yes",
	about: "the scenario does not have what the act names, and that is meant",
	print: func(a *Act) string {
		if a.Unknown {
			return "yes"
		}
		return ""
	},
	parse: func(a *Act, s string) error {
		if s != "yes" {
			return errors.New("want yes")
		}
		a.Unknown = true
		return nil
	}}

const unknownKey = "unknown"

// takeText reads a word that is a value by itself.
func takeText[T any](w word, into *T, parse func(string) (T, error)) error {
	v, err := parse(w.text)
	if err != nil {
		if key, value, isSetting := splitWord(w.text); isSetting {
			if _, without := parse(value); without == nil {
				return w.wrong("want %s, without %s=", value, key)
			}
		}
		return w.wrong("%w", err)
	}
	*into = v
	return nil
}

// Form returns how an act of the kind is written.
func (k ActKind) Form() string {
	if k == 0 || k >= actKindEnd {
		return "?"
	}
	form := &actForms[k]
	s := strings.Join(append([]string{form.word}, form.names...), " ")
	for _, set := range form.settings {
		s += " [" + set.key + "=" + set.example + "]"
	}
	return s
}

// String writes the act as a line of a scenario.
func (a Act) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "at %s ", FormatDuration(a.At))
	if a.Kind == 0 || a.Kind >= actKindEnd {
		b.WriteByte('?')
		return b.String()
	}
	form := &actForms[a.Kind]
	b.WriteString(form.word + " " + form.print(&a))
	printSettings(&b, &a, form.settings, nil)
	return b.String()
}

// parseAct reads an act from the words of a line: at, a time, the act's word,
// and what follows; and returns the word of each thing that was given, by its
// key. It reports false if the word is no act's.
func parseAct(words []word) (a Act, given map[string]word, isAct bool, err error) {
	for k := ActKind(1); k < actKindEnd; k++ {
		form := &actForms[k]
		if words[2].text != form.word {
			continue
		}
		a.Kind = k
		if a.At, err = time.ParseDuration(words[1].text); err != nil {
			return a, nil, true, words[1].wrong("%w", wantDuration(words[1].text, "90s"))
		}
		rest := words[3:]
		if len(rest) < len(form.names) {
			return a, nil, true, words[2].wrong("want %s after it; it is written %s", strings.Join(form.names, " and "), k.Form())
		}
		if err = form.take(&a, rest[:len(form.names)]); err != nil {
			return a, nil, true, err
		}
		if given, err = parseSettings(form.word, &a, rest[len(form.names):], form.settings); err != nil {
			return a, nil, true, err
		}
		given["at"] = words[1]
		for i, name := range form.names {
			given[strings.ToLower(name)] = rest[i]
		}
		return a, given, true, nil
	}
	return a, nil, false, nil
}

// validate judges an act in a scenario that has these names.
func (a *Act) validate(s *Scenario, has *names) error {
	switch {
	case a.At < 0 || a.At > longest:
		return &keyError{"at", fmt.Errorf("want times of 0s to %v", longest)}
	case a.For < 0 || a.For > longest:
		return &keyError{"reissue", fmt.Errorf("want times of 0s to %v", longest)}
	case a.Kind == 0 || a.Kind >= actKindEnd:
		return fmt.Errorf("kind is %d; want one that there is", a.Kind)
	}
	if err := a.validateOperator(s); err != nil {
		return err
	}
	switch a.Kind {
	case ActSign:
		if i := s.RolloutIndex(a.Rollout); i >= 0 && (!s.Rollouts[i].Signed || s.Rollouts[i].At > a.At) {
			return &keyError{"rollout", fmt.Errorf("rollout %s is in no release before %v; want one with signed=yes and at= before that", a.Rollout, a.At)}
		}
		if _, err := wire.ParseRolloutID(string(a.Rollout)); err != nil {
			return &keyError{"rollout", fmt.Errorf("rollout %q: %w", a.Rollout, err)}
		}
	case ActResume, ActChoose, ActOpen, ActPause, ActAbort:
		if _, err := wire.ParseRolloutID(string(a.Rollout)); err != nil {
			return &keyError{"rollout", fmt.Errorf("rollout %q: %w", a.Rollout, err)}
		}
	case ActClear:
		if id, err := wire.ParseRolloutID(string(a.Channel) + "@any"); err != nil || id.Channel() != a.Channel {
			return &keyError{"channel", fmt.Errorf("channel %q: want letters, digits, '.', '_', '-' and '/'", a.Channel)}
		}
		if _, err := wire.ParseClosure(string(a.Closure)); err != nil {
			return &keyError{"closure", fmt.Errorf("closure %q: %w", a.Closure, err)}
		}
	case ActRevoke:
		switch {
		case a.Hosts.First != a.Hosts.Last || a.Hosts.First < 1:
			return &keyError{"host", fmt.Errorf("want one host of h1 to h%d", s.Fleet.Hosts)}
		case a.Unknown && a.For != 0:
			return &keyError{"reissue", errors.New("a host that the scenario does not have is given no certificate; want no reissue")}
		}
	case ActSkip, ActCordon, ActUncordon, ActForget:
		if a.Hosts.First != a.Hosts.Last || a.Hosts.First < 1 {
			return &keyError{"host", fmt.Errorf("want one host of h1 to h%d", s.Fleet.Hosts)}
		}
	case ActSend:
		if err := a.validateSend(s); err != nil {
			return err
		}
	}
	return a.checkNames(s, has)
}

// actTexts are the words of all acts.
func actTexts() []string {
	var words []string
	for k := ActKind(1); k < actKindEnd; k++ {
		words = append(words, actForms[k].word)
	}
	return words
}
