package config

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestDefaults: what the comments promise is what loading fills in.
func TestDefaults(t *testing.T) {
	good, err := txtar.ParseFile("testdata/good.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := unpack(t, good)
	a, err := LoadAgent(filepath.Join(dir, "agent.yaml"), Options{Getenv: testEnv})
	if err != nil {
		t.Fatal(err)
	}
	m, s := a.Mailboxes[0], a.Routes[0].Submit
	for _, c := range []struct{ name, got, want string }{
		{"state", a.State, "/var/lib/mailquorum"},
		{"http.listen", a.HTTP.Listen, "127.0.0.1:9311"},
		{"mesh.listen", a.Mesh.Listen, ":7946"},
		{"log.level", a.Log.Level, "info"},
		{"log.format", a.Log.Format, "auto"},
		{"tls of a mailbox", string(m.TLS), "implicit"},
		{"folder", m.Folder, "INBOX"},
		{"server_name of a mailbox", m.TLSConfig.ServerName, "imap.example.com"},
		{"tls of a submission", string(s.TLS), "implicit"},
		{"server_name of a submission", s.TLSConfig.ServerName, "smtp.example.org"},
		{"from", s.From, "canary@example.org"},
		{"timeout", s.Timeout.String(), (30 * time.Second).String()},
		{"node", a.Self.Name, "a1"},
		{"region", a.Self.Region, "r1"},
		{"key", a.Identity.Public().String(), testKey("a1").Public().String()},
	} {
		if c.got != c.want {
			t.Errorf("%s is %q, want %q", c.name, c.got, c.want)
		}
	}
	if s.Hello == "" {
		t.Error("no name for EHLO")
	}
	c, err := LoadCoordinator(filepath.Join(dir, "coordinator.yaml"), Options{Getenv: func(name string) string {
		if name == "STATE_DIRECTORY" {
			return "/run/one:/run/two"
		}
		return testEnv(name)
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, got, want string }{
		{"state", c.State, "/run/one"},
		{"http.listen", c.HTTP.Listen, "127.0.0.1:9310"},
		{"http.url", c.HTTP.URL, "http://127.0.0.1:9310"},
		{"pagerduty.url", c.PagerDuty.URL, "https://events.pagerduty.com"},
		{"pagerduty.severity", c.PagerDuty.Severity, "critical"},
	} {
		if c.got != c.want {
			t.Errorf("%s is %q, want %q", c.name, c.got, c.want)
		}
	}
}

func TestRecognise(t *testing.T) {
	dir := t.TempDir()
	for content, want := range map[string]Kind{
		"routes: []\n": KindAgent, "node: a\nmailboxes: []\n": KindAgent, "pagerduty: {}\n": KindCoordinator, "node: c\n": KindCoordinator,
		"cluster: a\n": KindRoster, "nodes: []\n": KindRoster, "- a\n": KindCoordinator,
	} {
		path := filepath.Join(dir, "file.yaml")
		write(t, path, content)
		if got, err := Recognise(path); err != nil || got != want {
			t.Errorf("%q is taken for %s (%v), want %s", content, got, err, want)
		}
	}
}

// TestBudget holds the arithmetic against a day counted by hand.
func TestBudget(t *testing.T) {
	b := Budget{Account: "canary at smtp.example.com", Routes: []string{"one", "two"}, Interval: 60 * time.Second, Agents: 3}
	if b.PerDay() != 2*24*60 || b.Busy() != 2*24*60*4 {
		t.Errorf("%d and %d a day, want 2,880 and 11,520", b.PerDay(), b.Busy())
	}
	if got, want := b.PerMinute(), 2*(4+12); got != want {
		t.Errorf("%d a minute, want %d", got, want)
	}
	want := "canary at smtp.example.com: 2 routes × 86400 s / 60 s = 2880 messages a day, 11520 while an incident is open all day; " +
		"× 3 agents of this credential domain = 8640 and 34560"
	if got := b.String(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"address", "username", "password", "tls", "to"}
	for given, want := range map[string]string{"adress": "address", "user": "", "usrname": "username", "tsl": "", "tl": "", "pasword": "password",
		"x": "", "": "", "passwordpasswordpasswordpasswordpasswordpasswordpasswordpasswordpassword": "", "tlss": "tls"} {
		if got := nearest(given, names); got != want {
			t.Errorf("nearest to %q is %q, want %q", given, got, want)
		}
	}
}
