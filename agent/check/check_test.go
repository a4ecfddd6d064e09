package check

import (
	"bytes"
	"context"
	"crypto/tls"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mailquorum/agent"
	"mailquorum/internal/secret"
	"mailquorum/probes"
	"mailquorum/probes/collect"
	"mailquorum/probes/mailtest"
	"mailquorum/probes/submit"
)

// checked checks a route three times over, at a provider that is well, with a configuration that
// change has touched, and returns the results with their table.
func checked(t *testing.T, change func(*agent.Route, *collect.Config)) (results []Result, table string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := mailtest.NewNetwork()
		p, err := mailtest.StartProvider(mailtest.ProviderConfig{Listen: n.Listen, Domain: "provider.test",
			SMTPS: "mail.provider.test:465", IMAPS: "mail.provider.test:993", IMAP: "mail.provider.test:143",
			Users: []mailtest.User{{Name: "canary", Password: "secret-1"}}})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		trust := &tls.Config{RootCAs: p.CA()}
		box := collect.Config{Name: "inbox", Address: "mail.provider.test:993", TLSConfig: trust, Username: "canary",
			Password: secret.New("secret-1"), Dial: n.Dial("agent.test")}
		r := agent.Route{Service: "mail", To: "canary@provider.test", Mailbox: "inbox",
			Submit: submit.Config{Address: "mail.provider.test:465", TLS: submit.Implicit, TLSConfig: trust, Username: "canary",
				Password: secret.New("secret-1"), From: "canary@provider.test", Dial: n.Dial("agent.test")}}
		if change != nil {
			change(&r, &box)
		}
		var routes []agent.Route
		for _, name := range []string{"a", "b", "c"} {
			r.Name = name
			routes = append(routes, r)
		}
		results = Run(context.Background(), Options{Routes: routes, Mailboxes: []collect.Config{box}, Cluster: "test", Region: "here", Deadline: time.Minute})
		var b bytes.Buffer
		Table(&b, results)
		table = b.String()
	})
	return results, table
}

func TestCheck(t *testing.T) {
	results, table := checked(t, nil)
	for _, r := range results {
		if !r.OK || r.Error != "" || r.Hint != "" {
			t.Errorf("%+v\n%s", r, table)
		}
	}
}

// A failure names the server at which it happened, and what to do.
func TestAFailureNamesItsServer(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*agent.Route, *collect.Config)
		want   probes.Outcome
		said   []string
	}{
		{"password of the mailbox", func(_ *agent.Route, m *collect.Config) { m.Password = secret.New("wrong") }, probes.AuthFailed,
			[]string{"failed at retrieve: mailbox inbox at mail.provider.test:993: login: NO [AUTHENTICATIONFAILED]", "what to do: the server refuses the login: check user name and password"}},
		{"password of the submission", func(r *agent.Route, _ *collect.Config) { r.Submit.Password = secret.New("wrong") }, probes.AuthFailed,
			[]string{"failed at auth: mail.provider.test:465: 535", "what to do: wrong username or password"}},
		{"port of the mailbox", func(_ *agent.Route, m *collect.Config) { m.Address = "mail.provider.test:1" }, probes.Failed,
			[]string{"mailbox inbox at mail.provider.test:1: connecting: ", "what to do: nothing listens on that port"}},
		{"silent mailbox", func(_ *agent.Route, m *collect.Config) { m.TLS = collect.STARTTLS }, probes.Failed,
			[]string{"mailbox inbox at mail.provider.test:993: greeting: no answer in time", "what to do: the server says nothing"}},
		{"port of the submission", func(r *agent.Route, _ *collect.Config) { r.Submit.Address = "mail.provider.test:1" }, probes.Failed,
			[]string{"failed at connect: mail.provider.test:1: ", "what to do: nothing listens on that port"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			results, table := checked(t, c.change)
			for _, r := range results {
				if r.Outcome != c.want || r.Hint == "" {
					t.Errorf("%+v", r)
				}
			}
			for _, said := range c.said {
				if strings.Count(table, said) != len(results) {
					t.Errorf("want %q of each of:\n%s", said, table)
				}
			}
		})
	}
}

// The newest word on a mailbox counts, and names it.
func TestReading(t *testing.T) {
	p := newReading(collect.Config{Name: "inbox", Address: "imap.test:993"})
	if p.err() != nil {
		t.Error("a failure before anything was said")
	}
	p.tell(nil)
	p.tell(&probes.Error{Stage: probes.StageRetrieve, Outcome: probes.Throttled, Reply: probes.Reply{Code: 400, Text: "busy"}, Hint: "fewer"})
	<-p.first
	if e := p.err(); e == nil || e.Error() != "retrieve: mailbox inbox at imap.test:993: 400 busy" || e.Hint != "fewer" {
		t.Errorf("%v", e)
	}
}

// One line for Nagios says what to do as well.
func TestNagiosSaysWhatToDo(t *testing.T) {
	var b bytes.Buffer
	if code := Nagios(&b, []Result{{Route: "a", Outcome: probes.AuthFailed, Error: "auth: no", Hint: "this | that"}}); code != NagiosCritical {
		t.Errorf("code %d", code)
	}
	if want := "MAILQUORUM CRITICAL - 0 of 1 routes deliver; a: auth: no (what to do: this / that)\n"; b.String() != want {
		t.Errorf("%q", b.String())
	}
}
