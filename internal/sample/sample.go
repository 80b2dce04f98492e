// Package sample keeps what the documentation shows equal to what the code says
// and prints. A part of a document that is made by a test is between two comments,
// which no reader of the rendered document sees:
//
//	<!-- made of the output: unmet -->
//	…
//	<!-- end -->
//
// The words after "made of" are one test's, the word after the colon is the
// part's. With -rewrite the test writes the part, else it compares it.
//
// core/documents_test.go verifies that every block of code in the documents is
// either such a part, or of a language that a test checks, or says why neither.
//
// It is for tests only; core/rooms_test.go verifies that.
package sample

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	_ "github.com/cockroachdb/datadriven" // has the flag -rewrite
)

// Rewriting reports whether this run is to write what the others compare. Packages
// call it instead of having a flag of that name, since datadriven has it.
func Rewriting() bool { return flag.Lookup("rewrite").Value.String() == "true" }

var part = regexp.MustCompile(`(?s)<!-- made of ([a-z' ]+): ([a-z0-9-]+) -->\n(.*?)<!-- end -->\n`)

// Check compares the parts of a document that are made of something with what they
// have to be, by their names, each with the line break at its end; with -rewrite it
// writes them. Every part needs a text and every text a part.
//
// What volatile matches may differ, for instance how long something took: a part
// that differs in nothing else is left as it is.
func Check(t testing.TB, file, of string, made map[string]string, volatile ...*regexp.Regexp) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	settled := func(s string) string {
		for _, v := range volatile {
			s = v.ReplaceAllString(s, "~")
		}
		return s
	}
	seen := make(map[string]bool)
	want := part.ReplaceAllStringFunc(string(text), func(old string) string {
		m := part.FindStringSubmatch(old)
		if m[1] != of {
			return old
		}
		now, there := made[m[2]]
		switch {
		case !there:
			t.Errorf("%s: part %s is made of %s, which has no such part", file, m[2], of)
		case seen[m[2]]:
			t.Errorf("%s has two parts %s", file, m[2])
		case settled(now) == settled(m[3]):
		case !Rewriting():
			t.Errorf("%s, part %s: it says\n%s\nwant\n%s\nfix it, or run this test with -rewrite", file, m[2], m[3], now)
		default:
			seen[m[2]] = true
			return strings.Replace(old, " -->\n"+m[3], " -->\n"+now, 1)
		}
		seen[m[2]] = true
		return old
	})
	for name := range made {
		if !seen[name] {
			t.Errorf("%s: want a part between <!-- made of %s: %s --> and <!-- end -->", file, of, name)
		}
	}
	if Rewriting() && want != string(text) {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Block is a block of code as Markdown writes it, in a language or in none.
func Block(language, text string) string {
	return "```" + language + "\n" + strings.TrimRight(text, "\n") + "\n```\n"
}

var fenced = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// Fenced is a block of code in a document.
type Fenced struct {
	Line           int // of its first line of code, from 1
	Language, Text string
}

// Blocks returns the blocks of code of a document.
func Blocks(document string) (list []Fenced) {
	for _, at := range fenced.FindAllStringSubmatchIndex(document, -1) {
		list = append(list, Fenced{
			Line: 2 + strings.Count(document[:at[0]], "\n"), Language: document[at[2]:at[3]], Text: document[at[4]:at[5]],
		})
	}
	return list
}
