package wire

// tagged is an event of one kind as it stands on the wire: the tag, the
// number and the fields of the kind side by side in one object.
type tagged[B EventBody] struct {
	kind EventKind
	seq  Seq
	body B
}

// eventCodec reads and writes events of one kind.
type eventCodec interface {
	decode(d *Decoder, raw []byte) (Event, error)
	append(dst []byte, e Event) []byte
	shape() Shape
}

type kindCodec[B EventBody] struct{ schema Schema[tagged[B]] }

// forKind builds the codec of one kind from its fields other than kind and seq.
func forKind[B EventBody](fields ...Field[B]) eventCodec {
	c := &kindCodec[B]{}
	c.schema.Fields = []Field[tagged[B]]{
		{"kind", Required, func(t *tagged[B]) Value { return &t.kind }},
		{"seq", Required, func(t *tagged[B]) Value { return &t.seq }},
	}
	for _, f := range fields {
		c.schema.Fields = append(c.schema.Fields, Field[tagged[B]]{
			Name: f.Name, Presence: f.Presence,
			Of: func(t *tagged[B]) Value { return f.Of(&t.body) },
		})
	}
	return c
}

func (c *kindCodec[B]) decode(d *Decoder, raw []byte) (Event, error) {
	var t tagged[B]
	if err := DecodeDocument(d, &c.schema, raw, &t); err != nil {
		return Event{}, err
	}
	if t.seq == 0 && !d.lenient {
		return Event{}, &FieldError{Field: "seq", Problem: "want 1 or more: events are numbered 1, 2, 3 …"}
	}
	return Event{Seq: t.seq, Body: t.body}, nil
}

func (c *kindCodec[B]) append(dst []byte, e Event) []byte {
	t := tagged[B]{kind: e.Body.Kind(), seq: e.Seq, body: e.Body.(B)}
	return c.schema.Append(dst, &t)
}

// kindOnly reads the tag of an event and skips everything else.
type kindOnly struct{ kind EventKind }

var kindOnlySchema = Schema[kindOnly]{Fields: []Field[kindOnly]{
	{"kind", Required, func(k *kindOnly) Value { return &k.kind }},
}}

// DecodeValue implements [Value]. The tag may stand anywhere in the object, so
// the object is read twice: for its kind, then by the schema of that kind.
func (e *Event) DecodeValue(d *Decoder) error {
	if d.json.PeekKind() != '{' {
		return d.wrong("an object")
	}
	raw, err := d.json.ReadValue()
	if err != nil {
		return err
	}
	if d.nested == nil {
		d.nested = new(Decoder)
	}
	d.nested.lenient = d.lenient
	var tag kindOnly
	if err := DecodeDocument(d.nested, &kindOnlySchema, raw, &tag); err != nil {
		return err
	}
	*e, err = eventCodecs[tag.kind].decode(d.nested, raw)
	return err
}

// AppendValue implements [Value].
func (e *Event) AppendValue(dst []byte) []byte {
	return eventCodecs[e.Body.Kind()].append(dst, *e)
}

// IsUnset implements [Value].
func (e *Event) IsUnset() bool { return e.Body == nil }

var probeDeclarationSchema = Schema[ProbeDeclaration]{Fields: []Field[ProbeDeclaration]{
	{"probeName", Required, func(p *ProbeDeclaration) Value { return &p.ProbeName }},
	{"kind", Required, func(p *ProbeDeclaration) Value { return &p.ProbeKind }},
	{"mode", Required, func(p *ProbeDeclaration) Value { return &p.Mode }},
}}

// A subResult without effectiveMode is one of mode enforce.
var subResultSchema = Schema[SubResult]{Fields: []Field[SubResult]{
	{"controlId", Required, func(r *SubResult) Value { return &r.ControlID }},
	{"status", Required, func(r *SubResult) Value { return &r.Status }},
	{"framework", Required, func(r *SubResult) Value { return &r.Framework }},
	{"article", Optional, func(r *SubResult) Value { return &r.Article }},
	{"effectiveMode", Optional, func(r *SubResult) Value { return &r.EffectiveMode }},
	{"overrideReason", Optional, func(r *SubResult) Value { return &r.OverrideReason }},
}, Check: func(r *SubResult) (field, problem string) {
	if r.EffectiveMode.IsUnset() {
		r.EffectiveMode = Enforce
	}
	return "", ""
}}

// eventCodecs is indexed by kind; the protocol's table of fields is here.
var eventCodecs = [...]eventCodec{
	KindDispatchAck: forKind(
		Field[DispatchAck]{"currentClosureAtDispatch", Required, func(b *DispatchAck) Value { return &b.CurrentClosureAtDispatch }},
		Field[DispatchAck]{"receivedAt", Required, func(b *DispatchAck) Value { return &b.ReceivedAt }},
	),
	KindActivationStarted: forKind(
		Field[ActivationStarted]{"startedAt", Required, func(b *ActivationStarted) Value { return &b.StartedAt }},
		Field[ActivationStarted]{"switchMethod", Required, func(b *ActivationStarted) Value { return &b.SwitchMethod }},
	),
	KindActivationCompleted: forKind(
		Field[ActivationCompleted]{"observedCurrentClosure", Required, func(b *ActivationCompleted) Value { return &b.ObservedCurrentClosure }},
		Field[ActivationCompleted]{"exitCode", Required, func(b *ActivationCompleted) Value { return &b.ExitCode }},
		Field[ActivationCompleted]{"completedAt", Required, func(b *ActivationCompleted) Value { return &b.CompletedAt }},
	),
	KindActivationDeferred: forKind(
		Field[ActivationDeferred]{"component", Required, func(b *ActivationDeferred) Value { return &b.Component }},
		Field[ActivationDeferred]{"deferredAt", Required, func(b *ActivationDeferred) Value { return &b.DeferredAt }},
	),
	KindActivationFailed: forKind(
		Field[ActivationFailed]{"exitCode", Required, func(b *ActivationFailed) Value { return &b.ExitCode }},
		Field[ActivationFailed]{"stderrTail", Required, func(b *ActivationFailed) Value { return &b.StderrTail }},
		Field[ActivationFailed]{"failedAt", Required, func(b *ActivationFailed) Value { return &b.FailedAt }},
	),
	KindProbeTopologyDeclared: forKind(
		Field[ProbeTopologyDeclared]{"probes", Required, func(b *ProbeTopologyDeclared) Value {
			return List[ProbeDeclaration]{&b.Probes, &probeDeclarationSchema}
		}},
		Field[ProbeTopologyDeclared]{"declaredAt", Required, func(b *ProbeTopologyDeclared) Value { return &b.DeclaredAt }},
	),
	KindProbeObservedFirst: forKind(
		Field[ProbeObservedFirst]{"probeName", Required, func(b *ProbeObservedFirst) Value { return &b.ProbeName }},
		Field[ProbeObservedFirst]{"mode", Required, func(b *ProbeObservedFirst) Value { return &b.Mode }},
		Field[ProbeObservedFirst]{"observedAt", Required, func(b *ProbeObservedFirst) Value { return &b.ObservedAt }},
	),
	KindProbeResult: forKind(
		Field[ProbeResult]{"probeName", Required, func(b *ProbeResult) Value { return &b.ProbeName }},
		Field[ProbeResult]{"mode", Required, func(b *ProbeResult) Value { return &b.Mode }},
		Field[ProbeResult]{"status", Required, func(b *ProbeResult) Value { return &b.Status }},
		Field[ProbeResult]{"observedAt", Required, func(b *ProbeResult) Value { return &b.ObservedAt }},
		Field[ProbeResult]{"failureReason", Optional, func(b *ProbeResult) Value { return &b.FailureReason }},
		Field[ProbeResult]{"subResults", Optional, func(b *ProbeResult) Value {
			return List[SubResult]{&b.SubResults, &subResultSchema}
		}},
	),
	KindProbeFailureFirst: forKind(
		Field[ProbeFailureFirst]{"probeName", Required, func(b *ProbeFailureFirst) Value { return &b.ProbeName }},
		Field[ProbeFailureFirst]{"mode", Required, func(b *ProbeFailureFirst) Value { return &b.Mode }},
		Field[ProbeFailureFirst]{"firstFailedAt", Required, func(b *ProbeFailureFirst) Value { return &b.FirstFailedAt }},
	),
	KindFailed: forKind(
		Field[HealthFailed]{"failedAt", Required, func(b *HealthFailed) Value { return &b.FailedAt }},
		Field[HealthFailed]{"sustainedDurationSecs", Required, func(b *HealthFailed) Value { return &b.SustainedDurationSecs }},
		Field[HealthFailed]{"failingProbes", Required, func(b *HealthFailed) Value { return &b.FailingProbes }},
		Field[HealthFailed]{"policyApplied", Required, func(b *HealthFailed) Value { return &b.PolicyApplied }},
	),
	KindRollbackComplete: forKind(
		Field[RollbackComplete]{"revertedToClosure", Required, func(b *RollbackComplete) Value { return &b.RevertedToClosure }},
		Field[RollbackComplete]{"exitCode", Required, func(b *RollbackComplete) Value { return &b.ExitCode }},
		Field[RollbackComplete]{"completedAt", Required, func(b *RollbackComplete) Value { return &b.CompletedAt }},
	),
	KindConverged: forKind(
		Field[HostConverged]{"convergedAt", Required, func(b *HostConverged) Value { return &b.ConvergedAt }},
		Field[HostConverged]{"currentClosure", Required, func(b *HostConverged) Value { return &b.CurrentClosure }},
	),
}
