package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailquorum/internal/config"
	"mailquorum/internal/secret"
)

// TestTokens: after a restart the newest refresh token is shown, until another one
// is configured; one source serves a mailbox and a route.
func TestTokens(t *testing.T) {
	var shown []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown = append(shown, r.FormValue("refresh_token"))
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"access_token": fmt.Sprint("access-", len(shown)), "token_type": "Bearer", "expires_in": 3600,
			"refresh_token": fmt.Sprint("rotated-", len(shown))})
	}))
	defer server.Close()
	var log bytes.Buffer
	a := &config.Agent{State: t.TempDir(), OAuth: []config.OAuth{{Name: "m365", Endpoint: server.URL, ClientID: "app"}},
		Mailboxes: []config.Mailbox{{Name: "with", OAuth: "m365", Mechanism: config.AuthXOAUTH2}, {Name: "without"}},
		Routes:    []config.Route{{Name: "with", Submit: config.Submit{OAuth: "m365"}}, {Name: "without"}}}
	ask := func(configured string) {
		t.Helper()
		a.OAuth[0].RefreshToken.Secret = secret.New(configured)
		sources, err := tokens(a, server.Client(), slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		r, m := routes(a, sources), mailboxes(a, sources, nil)
		if r[0].Submit.Tokens == nil || r[1].Submit.Tokens != nil || m[0].Tokens == nil || m[1].Tokens != nil || m[0].Mechanism != "xoauth2" {
			t.Errorf("%+v %+v", r, m)
		}
		if _, err := r[0].Submit.Tokens.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := m[0].Tokens.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ask("planted-first")
	ask("planted-first")
	ask("planted-anew")
	if got := strings.Join(shown, " "); got != "planted-first rotated-1 planted-anew" {
		t.Errorf("the server was shown %s", got)
	}
	if log.Len() > 0 {
		t.Errorf("said: %s", log.String())
	}
	a.State = filepath.Join(a.State, "gone")
	ask("planted-first")
	if s := log.String(); !strings.Contains(s, "is not kept") || strings.Contains(s, "planted") || strings.Contains(s, "rotated-") {
		t.Errorf("said: %s", s)
	}
	if _, err := os.Stat(a.State); err == nil {
		t.Error("the state directory was made")
	}
}
