package main

import (
	"io"
	"log/slog"
)

// logFlags are the flags of every command that logs; such a command embeds
// them.
type logFlags struct {
	LogFormat string `default:"text" enum:"text,json" help:"The format of log lines: ${enum}."`
	LogLevel  string `default:"info" enum:"debug,info,warn,error" help:"The lowest level that is logged: ${enum}."`
}

// logger makes the command's logger, which writes to w.
func (f logFlags) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.LogLevel)); err != nil {
		panic(err) // the flag's enum allows levels only
	}
	options := &slog.HandlerOptions{Level: level}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
