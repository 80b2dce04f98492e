package main

import (
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"testing"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// sampleGrammar returns the grammar that the sample is for.
func sampleGrammar(t *testing.T) *kong.Node {
	t.Helper()
	parser, err := newParser(&cli{}, stdio{io.Discard, io.Discard}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model.Node
}

// A key that may be left out is commented out without a space, a sentence has
// one.
var commentedOut = regexp.MustCompile(`(?m)^(\s*)#([a-z])`)

func TestTheSampleDocumentsEveryKeyOfServeWithItsDefault(t *testing.T) {
	path := filepath.Join("..", "..", "deploy", "refrain.example.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	root := sampleGrammar(t)
	asIs, err := parseConfig(path, text, root)
	if err != nil {
		t.Fatalf("as it is:\n%v", err)
	}
	whole := commentedOut.ReplaceAll(text, []byte("$1$2"))
	all, err := parseConfig(path, whole, root)
	if err != nil {
		t.Fatalf("with every key:\n%v", err)
	}
	for _, flag := range childOf(root, "serve").Flags {
		value, documented := all.values[flag]
		_, inForce := asIs.values[flag]
		switch {
		case !documented:
			t.Errorf("serve.%s is missing", flag.Name)
		case flag.Required && !inForce:
			t.Errorf("serve.%s is required, want it not commented out", flag.Name)
		case flag.HasDefault || flag.IsBool():
			standard := flag.Default
			if !flag.HasDefault {
				standard = "false"
			}
			if !inForce || !reflect.DeepEqual(decoded(t, flag, value), decoded(t, flag, standard)) {
				t.Errorf("serve.%s is %v, in force %v; want the default %s in force", flag.Name, value, inForce, standard)
			}
		case !flag.Required && inForce:
			t.Errorf("serve.%s has no default and may be left out, want it commented out", flag.Name)
		}
	}
	everyKeyHasAComment(t, whole)
}

func decoded(t *testing.T, flag *kong.Flag, value any) any {
	t.Helper()
	target := reflect.New(flag.Target.Type()).Elem()
	if err := flag.Parse(kong.Scan().PushTyped(value, kong.FlagValueToken), target); err != nil {
		t.Fatal(err)
	}
	return target.Interface()
}

func everyKeyHasAComment(t *testing.T, text []byte) {
	t.Helper()
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	sections := document.Content[0].Content
	for i := 1; i < len(sections); i += 2 {
		keys := sections[i].Content
		for j := 0; j < len(keys); j += 2 {
			// One comment may speak for a certificate and its key.
			if key := keys[j]; key.HeadComment == "" && key.Value != "tls-key" {
				t.Errorf("line %d: %s has no comment", key.Line, key.Value)
			}
		}
	}
}
