package wire

import (
	"slices"
	"strconv"
	"unicode/utf8"
)

// MaxKeptText is how many bytes of a free text in an event the plane keeps, the mark
// of the cut included (PROTOCOL E10). What an agent may send is bounded by the size
// of a body only.
const MaxKeptText = 4 << 10

// markRoom is what the mark of a cut takes at most, in bytes.
const markRoom = 64

// Cut returns the event with its long texts cut to [MaxKeptText], each with a mark
// that says how much is missing. Nothing else changes, and the event itself does
// not. An event that was cut already stays as it is.
func (e Event) Cut() Event {
	switch b := e.Body.(type) {
	case ActivationFailed:
		if len(b.StderrTail) > MaxKeptText {
			b.StderrTail = b.StderrTail.keepEnd()
			e.Body = b
		}
	case ProbeResult:
		b.FailureReason = b.FailureReason.keepBeginning()
		if slices.ContainsFunc(b.SubResults, SubResult.long) {
			b.SubResults = slices.Clone(b.SubResults)
			for i := range b.SubResults {
				r := &b.SubResults[i]
				r.Article, r.OverrideReason = r.Article.keepBeginning(), r.OverrideReason.keepBeginning()
			}
		} else if len(b.FailureReason) == len(e.Body.(ProbeResult).FailureReason) {
			return e
		}
		e.Body = b
	}
	return e
}

func (r SubResult) long() bool { return max(len(r.Article), len(r.OverrideReason)) > MaxKeptText }

// Kept returns the text as the plane keeps it, with its end cut if it is long.
func (t Text) Kept() Text { return t.keepBeginning() }

// keepBeginning cuts the end of a long text.
func (t Text) keepBeginning() Text {
	if len(t) <= MaxKeptText {
		return t
	}
	end := MaxKeptText - markRoom
	for end > 0 && !utf8.RuneStart(t[end]) {
		end--
	}
	return t[:end] + "… [cut: " + grouped(len(t)-end) + " bytes more]"
}

// keepEnd cuts the beginning of a long text: of what a program wrote the last lines
// say why it failed.
func (t Text) keepEnd() Text {
	if len(t) <= MaxKeptText {
		return t
	}
	start := len(t) - (MaxKeptText - markRoom)
	for start < len(t) && !utf8.RuneStart(t[start]) {
		start++
	}
	return "[cut: " + grouped(start) + " bytes before] …" + t[start:]
}

// grouped writes a count with a comma after every third digit from the right.
func grouped(n int) Text {
	digits := strconv.Itoa(n)
	var out []byte
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			out = append(out, ',')
		}
		out = append(out, digits[i])
	}
	return Text(out)
}
