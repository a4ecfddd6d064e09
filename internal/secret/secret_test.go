package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestPrintsNothing: no verb, right or wrong, and no encoding shows the value.
func TestPrintsNothing(t *testing.T) {
	const marker = "marker-hunter2-marker"
	s := New(marker)
	type nested struct {
		Name   string
		Secret Secret
		Inner  *nested
	}
	n := nested{"outer", s, &nested{"inner", s, nil}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c", "%U", "%e", "%o", "%b", "%p", "%T", "%z"} {
		for _, v := range []any{s, &s, n, &n, []Secret{s}, map[string]Secret{"a": s}, struct{ S *Secret }{&s}} {
			fmt.Fprintf(&out, verb+"\n", v)
			fmt.Fprintln(&out, fmt.Errorf("doing "+verb, v))
		}
	}
	for _, v := range []any{s, n, &n} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
		slog.New(slog.NewTextHandler(&out, nil)).Info("text", "value", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "value", v)
	}
	if text := out.String(); strings.Contains(text, marker) || strings.Contains(strings.ToLower(text), fmt.Sprintf("%x", marker)) {
		t.Errorf("the value is printed:\n%s", text)
	}
	if s.Reveal() != marker || s.Empty() {
		t.Error("Reveal does not give the value")
	}
	if zero := (Secret{}); zero.Reveal() != "" || !zero.Empty() || !New("").Empty() {
		t.Error("the zero Secret is not empty")
	}
}
