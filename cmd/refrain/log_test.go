package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestTheLogLevelIsTheLeastThatIsLogged(t *testing.T) {
	levels := []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
	for i, name := range []string{"debug", "info", "warn", "error"} {
		var out bytes.Buffer
		log := logFlags{LogFormat: "text", LogLevel: name}.openLog(&out)
		for _, level := range levels {
			log.Log(t.Context(), level, "x")
		}
		log.Close(time.Minute)
		if got, want := strings.Count(out.String(), "\n"), len(levels)-i; got != want {
			t.Errorf("%s: %d lines, want %d", name, got, want)
		}
	}
}

func TestLogLinesAreTextOrJSON(t *testing.T) {
	var text, object bytes.Buffer
	hello := func(format string, w io.Writer) {
		log := logFlags{LogFormat: format, LogLevel: "info"}.openLog(w)
		log.Info("hello", "host", "web-1")
		log.Close(time.Minute)
	}
	hello("text", &text)
	if !strings.HasSuffix(text.String(), ` level=INFO msg=hello host=web-1`+"\n") {
		t.Errorf("text: %q", text.String())
	}
	hello("json", &object)
	var fields map[string]any
	if err := json.Unmarshal(object.Bytes(), &fields); err != nil || fields["host"] != "web-1" || fields["level"] != "INFO" {
		t.Errorf("json: %q, %v", object.String(), err)
	}
}
