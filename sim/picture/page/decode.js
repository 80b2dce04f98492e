// The data: JSON, compressed with gzip, in the base64 of URLs.

async function unpack(id) {
  if (typeof DecompressionStream === "undefined") {
    throw new Error("this browser is too old to unpack the data: it needs DecompressionStream (Chrome 80, Firefox 113, Safari 16.4)");
  }
  const text = document.getElementById(id).textContent.trim();
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

const flag = { duplicate: 1, noAnswer: 2, dropped: 4, lostRequest: 8, lostAnswer: 16, replay: 32, routine: 64 };
const kindWords = ["", "heartbeat", "event", "poll", "operator", "garbage"];

// decodeMessages makes objects of the columns. A step of 0 means that something
// did not happen.
function decodeMessages(d) {
  const c = d.Messages, list = [];
  let id = 0, step = 0, at = 0;
  for (let i = 0; i < (c.ID || []).length; i++) {
    id += c.ID[i]; step += c.Sent[i]; at += c.SentAt[i];
    const m = {
      id, kind: c.Kind[i], host: c.Host[i], text: d.Strings[c.Text[i]], rollout: d.Strings[c.Rollout[i]], flags: c.Flags[i],
      code: c.Code[i], why: c.Why[i], retryAfter: c.RetryAfter[i], replayFrom: c.ReplayFrom[i], sent: step, sentAt: at,
    };
    for (const [name, steps, times] of [
      ["arrived", c.Arrived, c.ArrivedAt], ["stepped", c.Stepped, c.SteppedAt], ["answered", c.Answered, c.AnsweredAt],
      ["heard", c.Heard, c.HeardAt], ["late", c.Late, c.LateAt], ["gone", c.Gone, c.GoneAt],
    ]) {
      m[name] = steps[i] ? step + steps[i] - 1 : 0;
      m[name + "At"] = steps[i] ? at + times[i] : 0;
    }
    m.end = Math.max(m.sentAt, m.heardAt, m.answeredAt, m.lateAt, m.arrivedAt);
    m.look = lookOf(d, m);
    list.push(m);
  }
  return list;
}

// lookOf says how a message is drawn: what is the worst that befell it.
function lookOf(d, m) {
  const code = d.Codes[m.code];
  if (m.late) return "late";
  if (m.flags & (flag.lostRequest | flag.lostAnswer)) return "lost";
  if (m.answered && code.Unavailable) return "refused";
  if (m.flags & flag.replay) return "replay";
  if (m.answered && code.Status >= 400) return "error";
  if (m.heard && m.flags & flag.noAnswer) return "lost";
  return "fine";
}

const isProblem = (m) => m.look !== "fine" && m.look !== "replay";

function decodeSteps(d) {
  const c = d.Steps, list = [];
  let step = 0, at = 0;
  for (let i = 0; i < (c.Step || []).length; i++) {
    step += c.Step[i]; at += c.At[i];
    list.push({ step, at, host: c.Host[i], message: c.Message[i], what: d.Strings[c.What[i]], lines: c.Lines[i] });
  }
  return list;
}
