package cli

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailquorum/agent/journal"
	"mailquorum/internal/config"
	"mailquorum/probes"
)

// TestTranscript reads the journal of an agent that does not run, and asks one
// that does.
func TestTranscript(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("STATE_DIRECTORY", dir)
	for _, kind := range []config.Kind{config.KindRoster, config.KindAgent} {
		b, err := config.Example(kind)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, string(kind)+".yaml"), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "agent.yaml")
	a, err := config.LoadAgent(file, config.Options{WithoutSecrets: true})
	if err != nil {
		t.Fatal(err)
	}
	if a.State != dir {
		t.Fatalf("the example's state directory is %s", a.State)
	}
	route := a.Routes[0].Name
	said := func(code int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if got := run(t.Context(), append([]string{"transcript"}, args...), &out, &errs); got != code {
			t.Errorf("%v: exit code %d, want %d\n%s", args, got, code, errs.String())
		}
		return out.String() + errs.String()
	}
	if s := said(exitFailure, route, "-c", file); !strings.Contains(s, "no such file") {
		t.Errorf("without a journal: %s", s)
	}
	j, err := journal.Open(filepath.Join(dir, "agent.db"))
	if err != nil {
		t.Fatal(err)
	}
	f := journal.Failure{Outcome: probes.Failed, Stage: probes.StageTLS, Error: "tls: expired"}
	f.Dialogue.Add(0, probes.Server, "220 \x1b[31mmail.example")
	if err := j.SaveFailure(journal.Submission, route, f); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if s := said(exitOK, route, "-c", file); !strings.Contains(s, "failed at stage tls") || !strings.Contains(s, `S  220 \x1b[31mmail.example`) ||
		!strings.Contains(s, "none so far") {
		t.Errorf("said:\n%s", s)
	}
	said(exitUsage, "nowhere", "-c", file)
	said(exitUsage, route)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/transcript/"+route, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("it said 220\x07\n")) })
	server := httptest.NewServer(mux)
	defer server.Close()
	if s := said(exitOK, route, "--url", server.URL); s != "it said 220?\n" {
		t.Errorf("asked: %q", s)
	}
	said(exitFailure, "nowhere", "--url", server.URL)
	said(exitUnreachable, route, "--url", "http://127.0.0.1:1")
}
