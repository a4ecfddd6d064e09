package probes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/authres"
)

func TestParseAuthResultsOfRealServers(t *testing.T) {
	pages(t, "authres", 5, func(mail []byte) string {
		a, ok := ParseAuthResults(mail, "")
		if !ok {
			return "none"
		}
		return strings.TrimSpace("server=" + a.Server + " " + a.String())
	})
}

// Only the receiver's own field counts: what stands below it came with the mail.
func TestForgedAuthResults(t *testing.T) {
	header := []byte("Authentication-Results: relay.example; spf=none\r\n" +
		"Authentication-Results: MX.provider.example; spf=fail\r\n" +
		"Authentication-Results: mx.provider.example; spf=pass\r\n\r\n" +
		"Authentication-Results: body.example; spf=pass\r\n")
	for server, want := range map[string]string{"": "none", "mx.provider.example": "fail"} {
		if a, ok := ParseAuthResults(header, server); !ok || a.SPF != want {
			t.Errorf("%q: %+v, want spf=%s", server, a, want)
		}
	}
	for _, server := range []string{"body.example", "elsewhere.example"} {
		if a, ok := ParseAuthResults(header, server); ok {
			t.Errorf("%q: %+v", server, a)
		}
	}
}

// The twin is go-msgauth's parser, which knows neither comments nor quotes.
func FuzzParseAuthResults(f *testing.F) {
	names, _ := filepath.Glob("testdata/authres/*.txt")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("Authentication-Results: a.example; spf=pass smtp.mailfrom=x; dkim=fail")
	f.Fuzz(func(t *testing.T, header string) {
		a, ok := ParseAuthResults([]byte(header), "")
		if len(a.Server) > MaxServerText || Clean(a.Server) != a.Server {
			t.Errorf("unsafe server %q", a.Server)
		}
		if strings.Trim(a.String(), "abcdefghijklmnopqrstuvwxyz= ") != "" {
			t.Errorf("unsafe results %q", a)
		}
		value, plain := strings.CutPrefix(header, "Authentication-Results: ")
		if !plain || !ok || strings.ContainsAny(value, "()\"\\\r\n\t/") || len(value) > maxFieldBytes || Clean(value) != value {
			return
		}
		server, results, err := authres.Parse(value)
		if err != nil || strings.ContainsAny(server, "=") || strings.Count(value, ";") > 60 || strings.Contains(value, " =") || strings.Contains(value, "= ") {
			return
		}
		for _, r := range results {
			if spf, is := r.(*authres.SPFResult); is {
				if a.SPF != string(spf.Value) && a.SPF != "other" {
					t.Errorf("%q: spf=%s, the twin says %s", value, a.SPF, spf.Value)
				}
				return
			}
		}
	})
}
