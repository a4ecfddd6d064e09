package cli

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"mailquorum/internal/config"
)

func TestLogsAreLegible(t *testing.T) {
	for _, c := range []struct{ format, want string }{
		{"json", `"level":"WARN","msg":"m","pause":"2.5s","of":{"latency":"1m0s"},"n":0}`},
		{"text", "level=WARN msg=m pause=2.5s of.latency=1m0s n=0"},
	} {
		var b bytes.Buffer
		newLogger(config.Log{Format: c.format}, &b).Warn("m", "hint", "", "pause", 2500*time.Millisecond, slog.Group("of", "latency", time.Minute, "hint", ""), "n", 0)
		if s := b.String(); !strings.Contains(s, c.want) || strings.Contains(s, "hint") {
			t.Errorf("%s: %s", c.format, s)
		}
		b.Reset()
		newLogger(config.Log{Format: c.format}, &b).Warn("m", "hint", "do this")
		if s := b.String(); !strings.Contains(s, "do this") {
			t.Errorf("%s: %s", c.format, s)
		}
	}
}
