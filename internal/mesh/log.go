package mesh

import (
	"bytes"
	"log"
	"log/slog"
)

// quiet makes a logger for memberlist, whose every line goes to slog at debug
// level: what it calls an error (a peer that does not answer) is none of ours.
func quiet(l *slog.Logger) *log.Logger { return log.New(lines{l}, "", 0) }

type lines struct{ l *slog.Logger }

func (w lines) Write(b []byte) (int, error) {
	level, text := []byte("INFO"), bytes.TrimSpace(b)
	if rest, ok := bytes.CutPrefix(text, []byte("[")); ok {
		if a, b, ok := bytes.Cut(rest, []byte("]")); ok {
			level, text = a, bytes.TrimSpace(b)
		}
	}
	text = bytes.TrimPrefix(text, []byte("memberlist: "))
	w.l.Debug("memberlist: "+string(text), "severity", string(level))
	return len(b), nil
}
