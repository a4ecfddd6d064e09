package page_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mailquorum/coordinator/page"
	"mailquorum/coordinator/page/pagerduty"
	"mailquorum/coordinator/store"
	"mailquorum/internal/report"
	"mailquorum/internal/secret"
)

// body is a claim as it stands on the wire.
type body struct {
	Key         string `cbor:"1,keyasint"`
	Action      string `cbor:"2,keyasint"`
	Round       uint8  `cbor:"3,keyasint,omitempty"`
	Destination string `cbor:"4,keyasint"`
	State       uint8  `cbor:"5,keyasint"`
	Attempt     uint32 `cbor:"6,keyasint"`
	Maybe       bool   `cbor:"7,keyasint,omitempty"`
	At          int64  `cbor:"8,keyasint"`
}

func TestClaimsOfOthersAreChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		defer w.stop()
		n := w.nodes[0]
		good := body{Key: key(1), Action: "trigger", Destination: "pagerduty", State: 3, Attempt: 1, At: 1000}
		with := func(change func(*body)) body { b := good; change(&b); return b }
		for name, c := range map[string]struct {
			from, by string // who says it, who signs it
			kind     report.Kind
			body     any
			err      error
		}{
			"an agent's":            {"a1", "a1", report.KindPage, good, report.ErrUnknown},
			"a stranger's":          {"nobody", "a1", report.KindPage, good, report.ErrUnknown},
			"signed by another":     {"c2", "c3", report.KindPage, good, report.ErrSignature},
			"of another kind":       {"c2", "c2", report.KindReport, good, report.ErrMalformed},
			"no claim":              {"c2", "c2", report.KindPage, "trigger", report.ErrMalformed},
			"of a foreign key":      {"c2", "c2", report.KindPage, with(func(b *body) { b.Key = "mailquorum/other/outage/mx/1" }), report.ErrMalformed},
			"of a long key":         {"c2", "c2", report.KindPage, with(func(b *body) { b.Key += strings.Repeat("x", 255) }), report.ErrMalformed},
			"of an unknown action":  {"c2", "c2", report.KindPage, with(func(b *body) { b.Action = "acknowledge" }), report.ErrMalformed},
			"in an unknown state":   {"c2", "c2", report.KindPage, with(func(b *body) { b.State = 4 }), report.ErrMalformed},
			"in no state":           {"c2", "c2", report.KindPage, with(func(b *body) { b.State = 0 }), report.ErrMalformed},
			"of attempt 0":          {"c2", "c2", report.KindPage, with(func(b *body) { b.Attempt = 0 }), report.ErrMalformed},
			"of the hundredth time": {"c2", "c2", report.KindPage, with(func(b *body) { b.Round = 100 }), report.ErrMalformed},
			"with markup in it":     {"c2", "c2", report.KindPage, with(func(b *body) { b.Destination = "<b>\n" }), report.ErrMalformed},
		} {
			raw := report.Seal(cluster, c.kind, c.from, w.keys[c.by], report.Marshal(c.body))
			e, err := report.Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			if news, err := n.p.Receive(time.Now(), e, raw); news || !errors.Is(err, c.err) {
				t.Errorf("a claim %s: news %v, %v; want %v", name, news, err, c.err)
			}
		}
		raw := report.Seal(cluster, report.KindPage, "c2", w.keys["c2"], report.Marshal(good))
		e, err := report.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, first := range []bool{true, false} {
			if news, err := n.p.Receive(time.Now(), e, raw); news != first || err != nil {
				t.Errorf("a good claim: news %v, %v; want %v", news, err, first)
			}
		}
		if got := n.store.Claims(""); len(got) != 1 || got[0].State != store.Sent || got[0].Coordinator != "c2" {
			t.Errorf("claims %+v", got)
		}
		if s := n.p.State(); len(s) != 1 || string(s[0]) != string(raw) {
			t.Errorf("state: %d messages", len(s))
		}
		// The receipt is heeded though it came before the decision.
		n.decide(key(1), true)
		sleep(time.Minute)
		want(t, "triggers", len(w.calls(store.Trigger, false)), 0)
	})
}

func TestConfigurationIsChecked(t *testing.T) {
	w := newWorld(t)
	dest := func(name string) page.Destination {
		d, err := pagerduty.New(pagerduty.Config{Name: name, RoutingKey: secret.New("x")})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for name, c := range map[string]page.Config{
		"no coordinator": {Self: "a1"},
		"bad name":       {Self: "c1", Pages: []page.Chain{{dest("no name")}}},
		"twice":          {Self: "c1", Pages: []page.Chain{{dest("a"), dest("b")}, {dest("a")}}},
	} {
		c.Roster, c.Store = w.roster, store.Memory()
		if _, err := page.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestNoDestinationEndsTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		defer w.stop()
		ticket := event(key(1))
		ticket.Ticket = true
		n := w.nodes[0]
		n.store.Note(store.Change{Jobs: []store.Job{page.TriggerJob(time.Now(), ticket)}}) // there are no Tickets
		n.p.Wake()
		sleep(time.Second)
		if j, _ := n.store.Job(store.JobID{Key: key(1), Action: store.Trigger}); j.State != store.Dropped || j.Why != "no destination is configured" {
			t.Errorf("job %+v", j)
		}
	})
}
