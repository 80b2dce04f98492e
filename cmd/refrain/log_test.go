package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
)

func TestTheLogLevelIsTheLeastThatIsLogged(t *testing.T) {
	levels := []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
	for i, name := range []string{"debug", "info", "warn", "error"} {
		var out bytes.Buffer
		log := logFlags{LogFormat: "text", LogLevel: name}.logger(&out)
		for _, level := range levels {
			log.Log(t.Context(), level, "x")
		}
		if got, want := strings.Count(out.String(), "\n"), len(levels)-i; got != want {
			t.Errorf("%s: %d lines, want %d", name, got, want)
		}
	}
}

func TestLogLinesAreTextOrJSON(t *testing.T) {
	var text, object bytes.Buffer
	logFlags{LogFormat: "text", LogLevel: "info"}.logger(&text).Info("hello", "host", "web-1")
	if !strings.HasSuffix(text.String(), ` level=INFO msg=hello host=web-1`+"\n") {
		t.Errorf("text: %q", text.String())
	}
	logFlags{LogFormat: "json", LogLevel: "info"}.logger(&object).Info("hello", "host", "web-1")
	var fields map[string]any
	if err := json.Unmarshal(object.Bytes(), &fields); err != nil || fields["host"] != "web-1" || fields["level"] != "INFO" {
		t.Errorf("json: %q, %v", object.String(), err)
	}
}
