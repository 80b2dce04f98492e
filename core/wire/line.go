package wire

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// Logs, states and recordings are lines: a word that says what the line is
// about, a space, and a JSON document.

// AppendTagged appends a word and the canonical JSON of doc, without a newline.
func AppendTagged[T any](dst []byte, word string, s *Schema[T], doc *T) []byte {
	dst = append(dst, word...)
	dst = append(dst, ' ')
	return s.Append(dst, doc)
}

// AppendLine appends a word and the canonical JSON of doc, with a newline.
func AppendLine[T any](dst []byte, word string, s *Schema[T], doc *T) []byte {
	return append(AppendTagged(dst, word, s, doc), '\n')
}

// CutValue splits text behind the JSON value that it begins with. If it begins with
// none, all of it is the value.
func CutValue(text []byte) (value, rest []byte) {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	if err := d.SkipValue(); err != nil {
		return text, nil
	}
	end := d.InputOffset()
	return text[:end], text[end:]
}

// Line is a line that was split at its first space.
type Line struct {
	Number int // from 1
	Word   string
	// Doc is what follows the word; it is part of the data that was split.
	Doc []byte
	// Complete is false for a last line without a newline.
	Complete bool
}

// Lines calls yield with every line of data, until it returns false.
func Lines(data []byte) func(yield func(Line) bool) {
	return func(yield func(Line) bool) {
		number := 0
		for text := range bytes.Lines(data) {
			number++
			text, complete := bytes.CutSuffix(text, []byte("\n"))
			word, doc, _ := bytes.Cut(text, []byte(" "))
			if !yield(Line{number, string(word), doc, complete}) {
				return
			}
		}
	}
}

// Wrong returns an error about the line of a state.
func (l *Line) Wrong(err error) error {
	return fmt.Errorf("state line %d (%s): %w", l.Number, l.Word, err)
}
