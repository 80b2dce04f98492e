// Texts: times, messages, steps.

const second = 1e9, minute = 60 * second, hour = 60 * minute;

// clock writes an instant of virtual time as h:mm:ss with some decimals.
function clock(ns, decimals = 3) {
  const sign = ns < 0 ? "−" : "";
  ns = Math.abs(Math.round(ns));
  const h = Math.floor(ns / hour), m = Math.floor(ns % hour / minute), s = Math.floor(ns % minute / second);
  const rest = String(ns % second).padStart(9, "0").slice(0, decimals);
  const two = (x) => String(x).padStart(2, "0");
  return sign + (h ? h + ":" + two(m) : m) + ":" + two(s) + (decimals ? "." + rest : "");
}

// seconds writes an instant as the trace does.
const seconds = (ns) => (ns / second).toFixed(6);

// span writes a duration with a unit that suits it.
function span(ns) {
  const sign = ns < 0 ? "−" : "", a = Math.abs(ns);
  const digits = (x) => x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2);
  if (a === 0) return "0 s";
  if (a < 1e3) return sign + a + " ns";
  if (a < 1e6) return sign + digits(a / 1e3) + " µs";
  if (a < 1e9) return sign + digits(a / 1e6) + " ms";
  if (a < minute) return sign + digits(a / 1e9) + " s";
  if (a < hour) return sign + Math.floor(a / minute) + " min " + (a % minute / second).toFixed(a < 10 * minute ? 1 : 0) + " s";
  return sign + Math.floor(a / hour) + " h " + Math.floor(a % hour / minute) + " min";
}

// causes are effects in the words of what took a message.
const causes = {
  lost: "dropped by the network", partitioned: "a partition", reset: "the connection was reset", "refused connection": "nobody listens",
  "plane crash": "the plane went down", "client timeout": "too late for the sender",
};

// answerText says what became of a request, in a few words.
function answerText(d, m) {
  const why = m.why ? causes[d.Effects[m.why]] || d.Effects[m.why] : "";
  if (m.flags & flag.lostRequest) return "request lost: " + why;
  let text = "";
  if (m.answered) {
    const code = d.Codes[m.code];
    text = code.Status + " " + code.Word;
    if (code.Unavailable && m.retryAfter) text += ", back in " + m.retryAfter + " s";
    if (m.flags & flag.replay) text += ", replay from " + m.replayFrom;
  }
  if (m.flags & flag.lostAnswer) text += (text ? ", and " : "") + (m.answered ? "the answer is lost: " : "no answer: ") + why;
  if (m.late) text += "; the reducer was done " + span(m.lateAt - m.answeredAt) + " after that";
  if (!text) text = m.arrived ? "not answered yet" : m.flags & flag.noAnswer ? "no answer" : "on its way";
  if (m.flags & flag.duplicate) text += " (a duplicate that the network made)";
  return text;
}

const hostName = (model, n) => n ? model.hosts[n - 1].Name : "operator";

// icons of the story and of the marks: a letter or a sign for everything that
// a colour says.
// The letters of the reasons of a 503, in the order of Series.Reasons; w: the store
// cannot write, b: over budget.
const reasonLetters = ["n", "s", "c", "d", "t", "w", "b"];
const icons = { refused: "■", lost: "✕", late: "◷", replay: "↺", error: "▲", fine: "→", fault: "⚡", act: "⚑", agent: "●", plane: "○", down: "▼", up: "△", bad: "✕" };

// verdictIcons are by the word of the verdict.
const verdictIcons = { passed: "✓", violation: "✕", unmet: "✕", stopped: "■" };

const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escape = (s) => String(s).replace(/[&<>"']/g, (c) => escapes[c]);

// tag is a state in words on its colour.
const tag = (d, state) => state ? `<span class="tag" style="background:var(--state-${state})">${escape(d.States[state - 1])}</span>` : '<span class="muted">none</span>';
