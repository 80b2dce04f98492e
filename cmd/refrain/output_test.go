package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAFileThatCannotBeWrittenKeepsWhatItHad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.scenario")
	if err := os.WriteFile(file, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(file+".part", 0o700); err != nil { // so that nothing new can be written
		t.Fatal(err)
	}
	if err := writeOutput("--output", file, []byte("new"), 0o600); err == nil {
		t.Error("no error")
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "old" {
		t.Errorf("%q, %v; want what was there", text, err)
	}
	if err := os.Remove(file + ".part"); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(filepath.Dir(file), "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if err := writeOutput("--output", link, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(file)
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v; want the old one", info.Mode(), err)
	}
	if text, err := os.ReadFile(link); err != nil || string(text) != "new" {
		t.Errorf("%q, %v; want the new text", text, err)
	}
}
