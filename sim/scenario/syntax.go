package scenario

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// SyntaxError is one thing that is wrong with the text of a scenario.
type SyntaxError struct {
	// File is the file's name; empty if the text came from no file.
	File string
	// Line and Column say where, from 1. Columns count characters.
	Line, Column int
	// Problem names the word and says what would be right.
	Problem string
}

// Error writes the error as compilers do: "storm.scenario:3:9: problem".
func (e *SyntaxError) Error() string {
	if e.File == "" {
		return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Problem)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Problem)
}

// SyntaxErrors are everything that is wrong with a scenario's text, at most
// one error for each line, in the order of the lines.
type SyntaxErrors []*SyntaxError

// mostErrors is how many errors of one file are written out. Somebody who gave
// the wrong file has seen enough after a few.
const mostErrors = 20

// Error writes one line for each of the first 20, and how many more there are.
func (list SyntaxErrors) Error() string {
	var lines []string
	for _, e := range list[:min(len(list), mostErrors)] {
		lines = append(lines, e.Error())
	}
	if more := len(list) - mostErrors; more > 0 {
		last := fmt.Sprintf("and %d more wrong lines; mend these first", more)
		if file := list[0].File; file != "" {
			last = file + ": " + last
		}
		lines = append(lines, last)
	}
	return strings.Join(lines, "\n")
}

// word is one word of a line, and the column that it begins in.
type word struct {
	text   string
	column int
}

// wordError is a problem with one word of a line.
type wordError struct {
	column int
	err    error
}

func (e *wordError) Error() string { return e.err.Error() }
func (e *wordError) Unwrap() error { return e.err }

// wrong makes an error about the word. The error text begins with the word
// itself.
func (w word) wrong(format string, args ...any) error {
	return &wordError{w.column, fmt.Errorf("%q: "+format, append([]any{shortened(w.text)}, args...)...)}
}

// shortened is a text as an error quotes it: a file that is no scenario may be
// one word of a megabyte.
func shortened(text string) string {
	if len(text) <= longestWord {
		return text
	}
	return strings.ToValidUTF8(text[:longestWord], "") + "…"
}

// columnOf is the column that an error is about, or the given one.
func columnOf(err error, otherwise int) int {
	var at *wordError
	if errors.As(err, &at) {
		return at.column
	}
	return otherwise
}

// keyError is an error about one key of a line.
type keyError struct {
	key string
	err error
}

func (e *keyError) Error() string { return e.err.Error() }
func (e *keyError) Unwrap() error { return e.err }

// atKey gives an error the place of the key that it is about, or else of the
// whole line.
func atKey(err error, given map[string]word, line word) error {
	var at *wordError
	if errors.As(err, &at) {
		return err
	}
	var about *keyError
	if errors.As(err, &about) {
		if w, there := given[about.key]; there {
			return &wordError{w.column, err}
		}
	}
	return &wordError{line.column, err}
}

// splitLine splits a line into its words and its comment. A '#' begins a
// comment if it begins a word. The comment has its '#' and no space after it
// at the end; it is empty if there is none.
func splitLine(line string) (words []word, comment string) {
	column, start := 1, -1
	for at, r := range line {
		switch space := r == ' ' || r == '\t' || r == '\r' || r == '\n'; {
		case space && start >= 0:
			words[len(words)-1].text = line[start:at]
			start = -1
		case !space && start < 0 && r == '#':
			return words, strings.TrimRight(line[at:], " \t\r\n")
		case !space && start < 0:
			start = at
			words = append(words, word{column: column})
		}
		column++
	}
	if start >= 0 {
		words[len(words)-1].text = line[start:]
	}
	return words, ""
}

// splitWord splits key=value, key>=value and key<=value. The value keeps an
// operator that is not '='. Without any, value and found are empty.
func splitWord(s string) (key, value string, found bool) {
	at := strings.IndexAny(s, "=<>")
	switch {
	case at < 0:
		return s, "", false
	case s[at] == '=':
		return s[:at], s[at+1:], true
	case strings.HasPrefix(s[at+1:], "="):
		return s[:at], s[at:], true
	default:
		return s, "", false
	}
}

// manyWords are more than anybody reads who is told which one is meant.
const manyWords = 12

// oneOf lists words for an error, and says which of them was probably meant.
func oneOf(got string, words []string) string {
	near := nearest(got, words)
	if len(words) > manyWords && near == "" {
		switch some := related(got, words); len(some) {
		case 0:
		case 1:
			near = some[0]
		default:
			words = some
		}
	}
	list := "want one of " + strings.Join(words, ", ")
	switch {
	case near == "":
		return list
	case len(words) > manyWords:
		return "did you mean " + near + "?"
	default:
		return "did you mean " + near + "? " + list
	}
}

// longestWord is longer than any word of the language, in bytes.
const longestWord = 80

// nearest returns the word that got is probably a misspelling of, or nothing:
// the one with the fewest characters changed, put in, left out or swapped with
// their neighbours, if that is about a third of them at most.
func nearest(got string, words []string) string {
	if len(got) > longestWord {
		return ""
	}
	best, fewest := "", 1+(1+utf8.RuneCountInString(got))/3
	for _, w := range words {
		if d := distance([]rune(got), []rune(w)); d < fewest {
			best, fewest = w, d
		}
	}
	return best
}

// distance is the optimal string alignment distance of two words.
func distance(a, b []rune) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range b {
		rows[0][j+1] = j + 1
	}
	for i := range a {
		for j := range b {
			differ := 1
			if a[i] == b[j] {
				differ = 0
			}
			d := min(rows[i][j+1]+1, rows[i+1][j]+1, rows[i][j]+differ)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				d = min(d, rows[i-1][j-1]+1)
			}
			rows[i+1][j+1] = d
		}
	}
	return rows[len(a)][len(b)]
}
