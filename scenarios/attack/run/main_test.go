package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/scenarios/attack"
)

func TestMeasure_ErrorsNameTheFlag(t *testing.T) {
	for want, test := range map[string]struct {
		cfg attack.Config
		f   flags
	}{
		"--only: error parsing regexp":                    {f: flags{only: "("}},
		"--only: no attack is called like":                {f: flags{only: "nothing"}},
		"--from: open ":                                   {f: flags{from: "/nowhere"}},
		"address 192.0.2.1:1 is not of the loopback":      {cfg: attack.Config{Binary: "refrain", Listen: "192.0.2.1:1"}},
		"for is 1h0m0s; want 100ms to 5m0s":               {cfg: attack.Config{Binary: "refrain", For: 3600e9}},
		"chain: fork/exec /nowhere/refrain: no such file": {cfg: attack.Config{Binary: "/nowhere/refrain"}, f: flags{only: "^chain$"}},
	} {
		var out strings.Builder
		if _, err := measure(t.Context(), test.cfg, test.f, &out); err == nil || !strings.Contains(err.Error(), want) || out.Len() > 0 {
			t.Errorf("got %v and prints %q; want the error %q", err, out.String(), want)
		}
	}
}

func TestMeasure_ReadsBackWhatItWrote(t *testing.T) {
	for want, result := range []attack.Result{{Name: "chain"}, {Name: "chain", Problems: []string{"the server ended"}}} {
		report := &attack.Report{Results: []attack.Result{result}}
		var written, table, again strings.Builder
		if err := report.WriteJSON(&written); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "report.json")
		if err := os.WriteFile(file, []byte(written.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		for out, f := range map[*strings.Builder]flags{&table: {from: file}, &again: {from: file, json: true}} {
			if code, err := measure(t.Context(), attack.Config{}, f, out); err != nil || code != want {
				t.Errorf("got %d, %v; want %d", code, err, want)
			}
		}
		if again.String() != written.String() {
			t.Errorf("read back:\n%s\nwant\n%s", again.String(), written.String())
		}
		if broken := strings.Contains(table.String(), "the server ended"); broken != (want == 1) {
			t.Errorf("the table is\n%s", table.String())
		}
	}
}

func TestMeasure_ListsEveryAttack(t *testing.T) {
	var out strings.Builder
	if code, err := measure(t.Context(), attack.Config{}, flags{list: true}, &out); err != nil || code != 0 {
		t.Fatal(code, err)
	}
	if got, want := strings.Count(out.String(), "\n"), len(attack.All()); got != want || want == 0 {
		t.Errorf("%d lines, want %d:\n%s", got, want, out.String())
	}
}
