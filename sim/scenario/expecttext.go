package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// expectForm is how an expectation of a kind is written: expect, what it is
// about, then whose and which where it is looked at, the word for what is
// expected, and settings.
type expectForm struct {
	what string
	// hosts and rollout say that these have to be given before the word.
	hosts, rollout bool
	// name is the word's in the form; words are those that there are, nil if
	// any will do.
	name  string
	words func() []string
	takes []string
	about string
}

var expectForms = [expectKindEnd]expectForm{
	ExpectViolation: {what: "violation", name: "CHECKER", words: ruleNumbers, takes: fields("at"),
		about: "the run is ended by this checker; without such a line by none"},
	ExpectAnswer: {what: "answer", name: "ANSWER", words: answerWords,
		takes: fields("host", "route", "event", "rollout", "seq", "nth", "retry-after", "replay-from", "bootstrap", "took", "at", "count"),
		about: "the plane gives this answer: a reason, ok, created, no_content, a status, or * for any"},
	ExpectNotice: {what: "notice", name: "NOTICE", words: noticeTexts, takes: fields("host", "rollout", "seq", "to", "at", "count"),
		about: "the plane tells this"},
	ExpectEntry: {what: "entry", name: "ENTRY", words: entryWords, takes: fields("host", "rollout", "seq", "outcome", "at", "count"),
		about: "an entry of this kind comes to be on the plane's disk"},
	ExpectEffect: {what: "effect", name: "EFFECT", words: effectTexts, takes: fields("count"),
		about: "this happens, as a run counts it after the word seen"},
	ExpectRecord: {what: "record", hosts: true, rollout: true, name: "STATE", words: stateWords,
		takes: fields("side", "seq", "closure", "confirmed", "at"),
		about: "the records of these hosts are in this state, at the plane and at the agent"},
	ExpectRollout: {what: "rollout", rollout: true, name: "STATE", words: rolloutWords, takes: fields("at"),
		about: "the plane says this of the rollout"},
	ExpectHost: {what: "host", hosts: true, name: "REACHABILITY", words: words(reachabilityWords...), takes: fields("at"),
		about: "the plane says this of these hosts"},
	ExpectClosure: {what: "closure", hosts: true, name: "CLOSURE", words: words(), takes: fields("at"),
		about: "these hosts run this closure"},
	ExpectPlane: {what: "plane", name: "STATE", words: words(planeWords...), takes: fields("at"),
		about: "the plane's process is in this state"},
	ExpectWhy: {what: "why", hosts: true, rollout: true, name: "CAUSE", words: whyWords, takes: fields("by", "at"),
		about: "the plane says that these hosts wait in the rollout for this, a cause or a gate, or for nothing"},
}

// expectSettings are the settings of all kinds, in the order in which they are
// written.
var expectSettings = []setting[Expect]{
	hostsSetting("host", "h1..h3", func(e *Expect) *Hosts { return &e.Hosts }).
		withAbout("to these hosts, or about them"),
	wordSetting("route", routeWords, func(e *Expect) *string { return &e.Route }).
		withAbout("to a request on this route"),
	wordSetting("event", eventKindWords(), func(e *Expect) *string { return &e.Event }).
		withAbout("to an event of this kind"),
	textSetting("rollout", "stable@r1", func(e *Expect) *wire.RolloutID { return &e.Rollout }, parseRollout).
		withAbout("about this rollout"),
	numbersSetting("seq", "3", func(e *Expect) *Bounds[int] { return &e.Seq }).
		withAbout("about an event with this number; a record whose last number it is"),
	wordSetting("to", stateWords()[1:], func(e *Expect) *string { return &e.To }).
		withAbout("a transition to this state"),
	wordSetting("outcome", []string{"applied", "absorbed", "discarded"}, func(e *Expect) *string { return &e.Outcome }).
		withAbout("what the event did"),
	wordSetting("side", []string{"plane", "agent"}, func(e *Expect) *string { return &e.Side }).
		withAbout("only at the plane, or only at the agent"),
	textSetting("closure", "c1", func(e *Expect) *wire.Closure { return &e.Closure }, wire.ParseClosure).
		withAbout("the record's current closure"),
	wordSetting("confirmed", []string{"yes", "no"}, func(e *Expect) *string { return &e.Confirmed }).
		withAbout("whether a confirmation has marked the plane's record"),
	textSetting("by", "h1", func(e *Expect) *wire.Name { return &e.By }, func(s string) (wire.Name, error) { return wire.Name(s), nil }).
		withAbout("by this, among others"),
	{key: "nth", example: "2", about: "of the answers that host, route, event, rollout and seq choose, this one is as expected",
		print: func(e *Expect) string {
			if e.Nth == 0 {
				return ""
			}
			return strconv.Itoa(e.Nth)
		},
		parse: func(e *Expect, s string) (err error) {
			if e.Nth, err = strconv.Atoi(s); err != nil || e.Nth < 1 {
				return errors.New("want 1 or more")
			}
			return nil
		}},
	timesSetting("retry-after", "1s..1m", func(e *Expect) *Bounds[time.Duration] { return &e.RetryAfter }).
		withAbout("with a Retry-After like this"),
	numbersSetting("replay-from", "3", func(e *Expect) *Bounds[int] { return &e.ReplayFrom }).
		withAbout("with a Replay-From like this"),
	numbersSetting("bootstrap", "1", func(e *Expect) *Bounds[int] { return &e.Bootstrap }).
		withAbout("with so many snapshots"),
	timesSetting("took", "5s", func(e *Expect) *Bounds[time.Duration] { return &e.Took }).
		withAbout("so long after the request reached the plane"),
	timesSetting("at", "5m", func(e *Expect) *Bounds[time.Duration] { return &e.At }).
		withAbout("then; without it at any time, and for a state at the end of the run"),
	numbersSetting("count", "1", func(e *Expect) *Bounds[int] { return &e.Count }).
		withAbout("so often; without it at least once"),
}

// whyWords are the causes, and the gates in place of their cause.
func whyWords() []string {
	list := []string{None}
	for _, c := range wire.Causes() {
		if c != wire.CauseGate {
			list = append(list, c.String())
		}
	}
	for g := wire.Gate(1); int(g) < wire.GateCount; g++ {
		list = append(list, g.String())
	}
	return list
}

func noticeTexts() []string {
	var words []string
	for k := plane.NoticeReplayAsked; int(k) < plane.NoticeKindCount; k++ {
		words = append(words, k.String())
	}
	return words
}

func entryWords() []string {
	return append(eventKindWords(), "opened", "resumed", "chosen", "confirmed", "cleared", "revoked", "discarded", "offered", "offer_ended")
}

func rolloutWords() []string {
	words := []string{None}
	for s := wire.Opening; s <= wire.Aborted; s++ {
		words = append(words, s.String())
	}
	return words
}

// Form returns how an expectation of the kind is written, with what it need
// not have in brackets.
func (k ExpectKind) Form() string {
	if k == 0 || k >= expectKindEnd {
		return "?"
	}
	form := &expectForms[k]
	parts := append([]string{"expect", form.what}, form.subjects()...)
	for i := range expectSettings {
		if s := &expectSettings[i]; slices.Contains(form.takes, s.key) {
			parts = append(parts, "["+s.key+"="+s.brief()+"]")
		}
	}
	return strings.Join(parts, " ")
}

// brief is an example that does not fill a line.
func (s *setting[T]) brief() string {
	if strings.Count(s.example, "|") > 3 {
		return strings.ToUpper(s.key)
	}
	return s.example
}

// subjects are the words that have to come after what the expectation is about.
func (f *expectForm) subjects() []string {
	var list []string
	if f.hosts {
		list = append(list, "HOSTS")
	}
	if f.rollout {
		list = append(list, "ROLLOUT")
	}
	return append(list, f.name)
}

// subjectKey is what an error calls a subject by: the key of the setting that
// says the same of another expectation.
func subjectKey(name string) string {
	if name == "HOSTS" {
		return "host"
	}
	return strings.ToLower(name)
}

// String writes the expectation as a line of a scenario.
func (e Expect) String() string {
	if e.Kind == 0 || e.Kind >= expectKindEnd {
		return "expect ?"
	}
	form := &expectForms[e.Kind]
	var b strings.Builder
	b.WriteString("expect " + form.what)
	rest := e
	if form.hosts {
		b.WriteString(" " + e.Hosts.String())
		rest.Hosts = Hosts{}
	}
	if form.rollout {
		b.WriteString(" " + string(e.Rollout))
		rest.Rollout = ""
	}
	b.WriteString(" " + e.Is)
	printSettings(&b, &rest, expectSettings, nil)
	return b.String()
}

// parseExpect reads an expectation from the words of a line.
func parseExpect(line []word) (Expect, map[string]word, error) {
	var e Expect
	var kinds []string
	for k := ExpectKind(1); k < expectKindEnd; k++ {
		kinds = append(kinds, expectForms[k].what)
	}
	if len(line) < 2 {
		return e, nil, line[0].wrong("want what is expected after it: one of %s", strings.Join(kinds, ", "))
	}
	at := slices.Index(kinds, line[1].text)
	if at < 0 {
		return e, nil, line[1].wrong("nothing that can be expected; %s", oneOf(line[1].text, kinds))
	}
	e.Kind = ExpectKind(at + 1)
	form := &expectForms[e.Kind]
	rest := line[2:]
	settings := slices.IndexFunc(rest, func(w word) bool { _, _, found := splitWord(w.text); return found })
	if settings < 0 {
		settings = len(rest)
	}
	subjects, rest := rest[:settings], rest[settings:]
	if len(subjects) < len(form.subjects()) {
		return e, nil, line[1].wrong("want %s after it; it is written %s", strings.Join(form.subjects(), ", "), e.Kind.Form())
	}
	if form.hosts {
		if err := takeText(subjects[0], &e.Hosts, ParseHosts); err != nil {
			return e, nil, fmt.Errorf("%w; it is written %s", err, e.Kind.Form())
		}
		subjects = subjects[1:]
	}
	if form.rollout {
		if err := takeText(subjects[0], &e.Rollout, parseRollout); err != nil {
			return e, nil, fmt.Errorf("%w; it is written %s", err, e.Kind.Form())
		}
		subjects = subjects[1:]
	}
	if e.Kind == ExpectEffect { // effects may have several words
		subjects = []word{{inWords(subjects), subjects[0].column}}
	}
	e.Is = subjects[0].text
	switch list := form.words(); {
	case e.Kind == ExpectRollout && !slices.Contains(list, e.Is) && slices.Contains(stateWords(), e.Is):
		return e, nil, subjects[0].wrong("a state of a record, not of a rollout, which is Terminal when all its hosts have ended; want one of %s", strings.Join(list, ", "))
	case list != nil && !slices.Contains(list, e.Is):
		return e, nil, subjects[0].wrong("no %s that can be expected; %s", form.what, oneOf(e.Is, list))
	case len(subjects) > 1:
		return e, nil, subjects[1].wrong("want key=value; it is written %s", e.Kind.Form())
	}
	given, err := parseSettings("expect "+form.what, &e, rest, form.settings())
	if err != nil {
		return e, nil, err
	}
	for i, name := range form.subjects() {
		given[subjectKey(name)] = line[2+i]
	}
	if err := e.check(); err != nil {
		return e, nil, atKey(err, given, line[0])
	}
	return e, given, nil
}

// settings are those that the form takes.
func (f *expectForm) settings() []setting[Expect] {
	var list []setting[Expect]
	for _, s := range expectSettings {
		if slices.Contains(f.takes, s.key) {
			list = append(list, s)
		}
	}
	return list
}
