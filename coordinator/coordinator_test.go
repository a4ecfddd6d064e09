package coordinator

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"mailquorum/coordinator/incident"
	"mailquorum/coordinator/page"
	"mailquorum/coordinator/store"
	"mailquorum/internal/api"
	"mailquorum/internal/report"
	"mailquorum/internal/report/reporttest"
	"mailquorum/internal/telemetry"
)

// nobody is a destination that is never called here.
type nobody struct{}

func (nobody) Name() string                                           { return "nobody" }
func (nobody) Send(context.Context, page.Event) (page.Receipt, error) { panic("called") }

func coordinator(t *testing.T, st *store.Store) *Coordinator {
	t.Helper()
	r := reporttest.Roster([]string{"mail"}, "eu", "us", "ap")
	name := r.Coordinators()[0].Name
	c, err := New(Config{Roster: r, Node: name, Key: reporttest.Key(name), Store: st, Destinations: []page.Destination{nobody{}},
		URL: "https://status.example/", Version: "test", Metrics: telemetry.NewMetrics("test"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func notice(c *Coordinator, kind incident.NoticeKind, at time.Time) incident.Notice {
	s := incident.NewSubject(report.Outage, "mail")
	epoch := c.machines[s].Record().Epoch()
	return incident.Notice{Kind: kind, Subject: s, Epoch: epoch, Key: incident.Key(c.cfg.Roster.Cluster, s, epoch), At: at,
		Onset: at.Add(-time.Minute), Drawing: "eu ✗ overdue\n", Count: report.Count{Sent: 9, Lost: 1}, Page: true, Text: "mail is down"}
}

func TestDecisionIsKeptWithItsPage(t *testing.T) {
	st := store.Memory()
	c := coordinator(t, st)
	now := time.Now()
	opened := notice(c, incident.NoticeOpened, now)
	m := c.save(c.machines[opened.Subject])
	c.act(opened.Subject, []incident.Notice{opened}, m)

	in, ok := st.Incident("outage/mail/" + itoa(opened.Epoch))
	if !ok || in.State != "open" || in.Key != opened.Key || in.Count.Lost != 1 || len(in.Timeline) != 1 {
		t.Fatalf("kept %+v", in)
	}
	jobs := st.Jobs(false)
	if len(jobs) != 1 || jobs[0].Action != store.Trigger || jobs[0].Key != opened.Key {
		t.Fatalf("outbox %+v", jobs)
	}
	var e page.Event
	if err := json.Unmarshal(jobs[0].Event, &e); err != nil {
		t.Fatal(err)
	}
	if e.Severity != page.Critical || e.Summary != "mail is down" || e.Class != "outage" ||
		len(e.Links) != 1 || e.Links[0].Href != "https://status.example/incidents/"+in.ID {
		t.Errorf("the page says %+v", e)
	}
	if c.needed(e) != page.Hold {
		t.Error("a page goes out although no vote was tallied since the start")
	}

	closed := notice(c, incident.NoticeClosed, now.Add(time.Minute))
	c.act(closed.Subject, []incident.Notice{closed}, m)
	for _, j := range st.Jobs(false) {
		if j.Action == store.Trigger {
			t.Error("the trigger still waits after the close")
		}
	}
	if in, _ := st.Incident(in.ID); in.State != "closed" || in.Closed.IsZero() {
		t.Errorf("after the close: %+v", in)
	}
}

func TestTicketsAreNoPages(t *testing.T) {
	st := store.Memory()
	c := coordinator(t, st)
	n := notice(c, incident.NoticeRegional, time.Now())
	n.Subject, n.Page = incident.Subject("regional/mail"), false
	c.act(n.Subject, []incident.Notice{n}, c.save(c.machines[incident.NewSubject(report.Outage, "mail")]))
	if jobs := st.Jobs(true); len(jobs) != 0 {
		t.Errorf("a ticket put %+v into the outbox", jobs)
	}
}

func TestStatusBeforeAnythingIsKnown(t *testing.T) {
	c := coordinator(t, store.Memory())
	st := c.Status()
	if len(st.Services) != 1 || st.Services[0].State != api.Unknown || len(st.Services[0].Regions) != 3 || st.Services[0].Quorum != 2 {
		t.Errorf("%+v", st.Services)
	}
	if err := c.Ready(); err == nil || !strings.Contains(err.Error(), "still listening") {
		t.Errorf("ready at once: %v", err)
	}
	if c.Healthy() == nil {
		t.Error("healthy although the loop never turned")
	}
}
