package demo

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mailquorum/coordinator/incident"
	"mailquorum/internal/api"
	"mailquorum/internal/roster"
	"mailquorum/probes/mailtest"
)

// bubble is a world with the timing of a real monitor, in virtual time, and what
// was seen in it.
type bubble struct {
	*testing.T
	*World
	mu      sync.Mutex
	notices []noticed
}

// inBubble runs a tale in a new world in which all regions are up.
func inBubble(t *testing.T, tale func(b *bubble)) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{T: t}
		w, err := NewWorld(Options{Fabric: Memory{mailtest.NewNetwork()}, Dir: dir, Timing: roster.DefaultTiming(),
			Transit: 4 * time.Second, Controls: 1, Version: "test", Log: quietLog(),
			Observe: func(node string, n incident.Notice) {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.notices = append(b.notices, noticed{node, n})
			}})
		if err != nil {
			t.Fatal(err)
		}
		b.World = w
		defer func() {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			time.Sleep(2 * time.Minute) // timers of the mesh library run out
			synctest.Wait()
		}()
		b.within(5*time.Minute, "all regions up", func() bool { return w.everywhere(upEverywhere) })
		b.quiet()
		tale(b)
	})
}

// within fails the test unless ok becomes true in time, and tells how long it took.
func (b *bubble) within(limit time.Duration, what string, ok func() bool) time.Duration {
	b.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > limit {
			b.Errorf("not within %v: %s\n%s", limit, what, b.service("coord-1").Drawing)
			return limit
		}
		time.Sleep(500 * time.Millisecond)
	}
	took := time.Since(began)
	b.Logf("%s after %v", what, took)
	return took
}

func (b *bubble) state(want api.State) func() bool {
	return func() bool { return b.everywhere(func(s api.Service) bool { return s.State == want }) }
}

// quiet fails the test if anybody was paged or any outage opened.
func (b *bubble) quiet() {
	b.Helper()
	if n := len(b.Pager.Calls()); n != 0 {
		b.Errorf("%d calls to the paging service: %+v", n, b.Pager.Calls())
	}
	if n := len(b.of(incident.NoticeOpened, incident.Outage)); n != 0 {
		b.Errorf("%d outages opened", n)
	}
}

func (b *bubble) of(kind incident.NoticeKind, subject string) []noticed {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []noticed
	for _, n := range b.notices {
		if n.Kind == kind && n.Subject.Kind() == subject {
			out = append(out, n)
		}
	}
	return out
}

// oneOfEach fails the test unless exactly one trigger and one resolve were
// accepted, under one key.
func (b *bubble) oneOfEach() {
	b.Helper()
	var opened, resolved []string
	for _, c := range b.Pager.Calls() {
		switch {
		case c.Accepted && c.Action == "trigger":
			opened = append(opened, c.Key)
		case c.Accepted && c.Effect == "resolved":
			resolved = append(resolved, c.Key)
		}
	}
	if len(opened) != 1 || len(resolved) != 1 || opened[0] != resolved[0] {
		b.Errorf("triggers %v, resolves %v; want one of each, of one key", opened, resolved)
	}
}

func (b *bubble) outageAndBack(limit time.Duration, break_, mend func()) api.Incident {
	b.Helper()
	break_()
	b.within(limit, "outage", b.state(api.Down))
	b.within(time.Minute, "page", func() bool { return len(b.Pager.Incidents()) == 1 })
	time.Sleep(2 * time.Minute)
	mend()
	b.within(30*time.Minute, "closed", b.state(api.Up))
	b.within(5*time.Minute, "resolve", func() bool { return !b.Pager.Incidents()[0].Open() })
	b.oneOfEach()
	for node := range b.Coords {
		for _, in := range b.Coords[node].Daemon.Incidents() {
			if strings.HasPrefix(in.ID, "outage/") {
				return in
			}
		}
	}
	b.Fatal("no incident is kept")
	return api.Incident{}
}

func TestSilentQueueIsAnOutageAndNothingIsLost(t *testing.T) {
	inBubble(t, func(b *bubble) {
		in := b.outageAndBack(3*time.Minute, func() { b.Provider.Set(mailtest.Hold) }, func() { b.Provider.Release() })
		if in.Count.Lost != 0 || in.Count.Sent == 0 {
			b.Errorf("the account of a held queue: %+v", in.Count)
		}
	})
}

func TestClosedSubmissionPortsAreAnOutage(t *testing.T) {
	inBubble(t, func(b *bubble) {
		in := b.outageAndBack(2*time.Minute, func() { b.Provider.SMTPDown(true) }, func() { b.Provider.SMTPDown(false) })
		if !strings.Contains(in.Drawing, "submit/connect") {
			b.Errorf("the drawing does not name the stage:\n%s", in.Drawing)
		}
	})
}

func TestOneRegionsCableWakesNobody(t *testing.T) {
	inBubble(t, func(b *bubble) {
		b.opt.Fabric.Isolate("agent-"+cutRegion, true)
		time.Sleep(12 * time.Minute)
		b.quiet()
		b.opt.Fabric.Isolate("agent-"+cutRegion, false)
		b.within(10*time.Minute, "all regions up again", func() bool { return b.everywhere(upEverywhere) })
		b.quiet()
	})
}

func TestPageGoesOutThoughTheFirstCoordinatorDies(t *testing.T) {
	inBubble(t, func(b *bubble) {
		b.Provider.Set(mailtest.Hold)
		b.within(3*time.Minute, "opened by one", func() bool { return len(b.of(incident.NoticeOpened, incident.Outage)) > 0 })
		first := b.of(incident.NoticeOpened, incident.Outage)[0].node
		node := b.Coords[first]
		delete(b.Coords, first)
		if err := node.Stop(); err != nil {
			b.Error(err)
		}
		b.within(2*time.Minute, "page", func() bool { return len(b.Pager.Incidents()) > 0 })
		b.Provider.Release()
		b.within(30*time.Minute, "closed", b.state(api.Up))
		b.within(5*time.Minute, "resolve", func() bool { return !b.Pager.Incidents()[0].Open() })
		b.oneOfEach()
	})
}

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }
