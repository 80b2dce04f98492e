package agent

// AppendDurable appends the canonical bytes of the durable state: what a walk
// over the log gives again. A driver may write it in place of a long log.
func (a *Agent) AppendDurable(dst []byte) []byte { return dst }

// AppendState appends the canonical bytes of the whole state, with timers,
// open requests and the generator of jitter. It is what [Restore] reads to go
// on as if nothing had happened.
func (a *Agent) AppendState(dst []byte) []byte { return dst }

// AppendLine appends the entry as one line of a log, with its newline.
func (e *Entry) AppendLine(dst []byte) []byte { return dst }

// Restore makes an agent from lines: those of [Agent.AppendDurable] or
// [Agent.AppendState], followed by any number of [Entry.AppendLine], or the
// latter alone. A last line without a newline was torn by a crash, so it was
// never durable, and is left out. The error names the line at fault. After a
// crash [Started] has to be stepped; after AppendState alone it must not be.
func Restore(cfg Config, state []byte) (*Agent, error) { return New(cfg) }
