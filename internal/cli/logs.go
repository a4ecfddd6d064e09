package cli

import (
	"errors"
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"

	"mailquorum/internal/config"
)

// newLogger returns a logger as configured, that writes to w.
func newLogger(c config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo // the configuration was checked: no level was given
	}
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: legible}
	if c.Format == "json" || c.Format != "text" && !isTerminal(w) {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// legible leaves out a hint that there is none, and writes durations as people do
// ("2.5s") where slog's JSON has nanoseconds.
func legible(_ []string, a slog.Attr) slog.Attr {
	switch {
	case a.Key == "hint" && a.Value.Kind() == slog.KindString && a.Value.String() == "":
		return slog.Attr{}
	case a.Value.Kind() == slog.KindDuration:
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// isTerminal reports whether a person reads w as it is written.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// logRefused logs why a configuration is refused, one line for each problem.
func logRefused(log *slog.Logger, err error) {
	var ps config.Problems
	if !errors.As(err, &ps) {
		log.Error("the new configuration is refused, the old one stays", "err", err)
		return
	}
	for _, p := range ps {
		log.Error("the new configuration is refused, the old one stays: "+p.Text, "file", p.File, "line", p.Line, "column", p.Column)
	}
}

// logWarnings logs what is unwise about a configuration, one line each.
func logWarnings(log *slog.Logger, ps config.Problems) {
	for _, p := range ps {
		log.Warn("configuration: "+p.Text, "file", p.File, "line", p.Line, "column", p.Column)
	}
}
