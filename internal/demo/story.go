package demo

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"mailquorum/coordinator/incident"
	"mailquorum/internal/api"
	"mailquorum/internal/roster"
	"mailquorum/internal/vote"
	"mailquorum/probes/mailtest"
)

// Scale is by how much the demonstration's clock is faster than life.
const Scale = 20

// Timing is that of a real monitor, faster. Freshness is scaled less: it must
// survive a busy machine.
func Timing() roster.Timing {
	t := roster.DefaultTiming().Scaled(1.0 / Scale)
	t.Alert, t.Report, t.Fresh, t.Settle = 100*time.Millisecond, 400*time.Millisecond, 2500*time.Millisecond, time.Second
	t.Rank = 400 * time.Millisecond
	return t
}

// cutRegion is the region whose cable is pulled in the story.
const cutRegion = "eu-west"

// Story is the tale of one outage, told in chapters. Each chapter does something
// to the world, and says what must be seen after it and what must not.
type Story struct {
	w     *World
	out   io.Writer
	began time.Time

	mu      sync.Mutex
	notices []noticed
	failed  []string
}

// noticed is a notice of one coordinator.
type noticed struct {
	node string
	incident.Notice
}

// NewStory returns a story to be told to out. Observe must be the world's.
func NewStory(out io.Writer) *Story { return &Story{out: out, began: time.Now()} }

// Observe takes a coordinator's notice.
func (s *Story) Observe(node string, n incident.Notice) {
	s.mu.Lock()
	first := !slices.ContainsFunc(s.notices, func(o noticed) bool { return o.Kind == n.Kind && o.Key == n.Key })
	s.notices = append(s.notices, noticed{node, n})
	s.mu.Unlock()
	if !first {
		return
	}
	s.say("%-11s %s", strings.ToUpper(string(n.Kind)), n.Text)
	if n.Kind == incident.NoticeOpened {
		for line := range strings.Lines(n.Drawing) {
			fmt.Fprintf(s.out, "           │ %s\n", strings.TrimRight(line, "\n"))
		}
	}
}

// say writes one line of the time line.
func (s *Story) say(format string, args ...any) {
	line := fmt.Sprintf("%6.1fs    %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
	s.mu.Lock()
	defer s.mu.Unlock()
	io.WriteString(s.out, line)
}

// chapter opens a part of the story.
func (s *Story) chapter(title string) { fmt.Fprintf(s.out, "\n── %s\n", title) }

// must notes a part of the story that was not seen as it should.
func (s *Story) must(ok bool, format string, args ...any) {
	if !ok {
		text := fmt.Sprintf(format, args...)
		s.failed = append(s.failed, text)
		s.say("NOT SEEN    %s", text)
	}
}

// count counts the notices of a kind for outages, by the coordinator that saw most.
func (s *Story) count(kind incident.NoticeKind) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	by := map[string]int{}
	for _, n := range s.notices {
		if n.Kind == kind && n.Subject.Kind() == incident.Outage {
			by[n.node]++
		}
	}
	most := 0
	for _, n := range by {
		most = max(most, n)
	}
	return most
}

// last is the newest notice of a kind for an outage.
func (s *Story) last(kind incident.NoticeKind) (incident.Notice, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.notices) - 1; i >= 0; i-- {
		if n := s.notices[i]; n.Kind == kind && n.Subject.Kind() == incident.Outage {
			return n.Notice, true
		}
	}
	return incident.Notice{}, false
}

// until waits for something to be seen.
func (s *Story) until(ctx context.Context, limit time.Duration, seen func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !seen() {
		select {
		case <-ctx.Done():
			return seen()
		case <-tick.C:
		}
	}
	return true
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// service is the service as a coordinator shows it.
func (w *World) service(coord string) api.Service { return w.Coords[coord].Daemon.Status().Services[0] }

// everywhere reports whether every coordinator shows the service so.
func (w *World) everywhere(ok func(api.Service) bool) bool {
	for name := range w.Coords {
		if !ok(w.service(name)) {
			return false
		}
	}
	return true
}

func upEverywhere(s api.Service) bool {
	return s.State == api.Up && !slices.ContainsFunc(s.Regions, func(r api.Region) bool { return !r.Fresh || r.Vote.Opinion != vote.Up })
}

// Tell plays the story in w. It returns what was not seen as it should have
// been; nothing means that all of it was.
func (s *Story) Tell(ctx context.Context, w *World) []string {
	s.w = w
	for _, part := range []func(context.Context){s.healthy, s.cable, s.outage, s.recovery} {
		part(ctx)
		if ctx.Err() != nil {
			s.failed = append(s.failed, "the story was interrupted")
			break
		}
	}
	return s.failed
}

func (s *Story) healthy(ctx context.Context) {
	s.chapter("All is well")
	s.say("%d regions send canaries through %s, %d coordinators count their votes", len(regions), providerHost, coordinators)
	ok := s.until(ctx, 40*time.Second, func() bool { return s.w.everywhere(upEverywhere) })
	s.must(ok, "all regions vote up")
	pause(ctx, 2*time.Second)
	s.must(len(s.w.Pager.Calls()) == 0, "nobody is paged while all is well")
	s.say("all %d regions vote up: %d canaries delivered so far", len(regions), len(s.w.Provider.Deliveries()))
}

func (s *Story) cable(ctx context.Context) {
	s.chapter("One region's network dies")
	host := "agent-" + cutRegion
	s.w.opt.Fabric.Isolate(host, true)
	s.say("pulled the cable of %s", cutRegion)
	silent := s.until(ctx, 10*time.Second, func() bool {
		return s.w.everywhere(func(v api.Service) bool {
			return slices.ContainsFunc(v.Regions, func(r api.Region) bool { return r.Name == cutRegion && !r.Fresh })
		})
	})
	s.must(silent, "the coordinators notice that %s is silent", cutRegion)
	s.say("%s is silent; the other regions still see the mail flow", cutRegion)
	pause(ctx, 6*time.Second)
	s.must(len(s.w.Pager.Calls()) == 0 && s.count(incident.NoticeOpened) == 0, "nobody is paged for one region's network")
	s.w.opt.Fabric.Isolate(host, false)
	s.say("plugged it in again: nobody was paged")
	back := s.until(ctx, 25*time.Second, func() bool { return s.w.everywhere(upEverywhere) })
	s.must(back, "%s votes again", cutRegion)
}

func (s *Story) outage(ctx context.Context) {
	s.chapter("The provider accepts mail and delivers nothing")
	began := time.Now()
	s.w.Provider.Set(mailtest.Hold)
	s.say("the provider's queue stands still; every submission is still answered 250")
	ok := s.until(ctx, 30*time.Second, func() bool {
		return s.w.everywhere(func(v api.Service) bool { return v.State == api.Down })
	})
	s.must(ok, "the outage is opened by every coordinator")
	n, opened := s.last(incident.NoticeOpened)
	s.must(opened && strings.Contains(n.Drawing, "✗"), "the vote is drawn")
	if opened {
		s.say("declared %.1f s after the queue stood still (%.0f s on a real monitor's clock)", n.At.Sub(began).Seconds(), Scale*n.At.Sub(began).Seconds())
	}
	paged := s.until(ctx, 10*time.Second, func() bool { return s.accepted("trigger") > 0 })
	s.must(paged, "the page is sent")
	if paged {
		s.say("PAGE        %s", n.Key)
	}
	pause(ctx, 4*time.Second)
	s.must(s.accepted("trigger") == 1, "exactly one page, not %d", s.accepted("trigger"))
	s.must(s.count(incident.NoticeOpened) == 1, "one incident, not %d", s.count(incident.NoticeOpened))
}

func (s *Story) recovery(ctx context.Context) {
	s.chapter("Delivery resumes")
	s.say("the provider delivers again: %d mails wait in its queue", s.w.Provider.Queue())
	released := time.Now()
	s.w.Provider.Release()
	s.must(s.until(ctx, 20*time.Second, func() bool { return s.count(incident.NoticeRecovering) > 0 }), "recovering is said first")
	ok := s.until(ctx, 40*time.Second, func() bool {
		return s.w.everywhere(func(v api.Service) bool { return v.State == api.Up })
	})
	s.must(ok, "the incident is closed by every coordinator")
	n, closed := s.last(incident.NoticeClosed)
	s.must(closed && n.Count.Sent > 0 && strings.Contains(n.Text, "0 lost of"), "0 lost of n at the close: %q", n.Text)
	missing, err := s.w.Unsettled(released)
	s.must(err == nil && missing == 0, "every canary sent before the release has arrived at the close: %d have not (%v)", missing, err)
	resolved := s.until(ctx, 15*time.Second, func() bool { return s.accepted("resolve") > 0 })
	s.must(resolved, "the page is resolved")
	if resolved {
		s.say("RESOLVED    %s", n.Key)
	}
	s.must(s.accepted("trigger") == 1, "still exactly one page, not %d", s.accepted("trigger"))
	for _, in := range s.w.Pager.Incidents() {
		s.must(!in.Open(), "no alert is left open: %s", in.Key)
	}
}

// accepted counts the calls of an action that the pager accepted, less repeated
// resolves, which it drops.
func (s *Story) accepted(action string) int {
	n := 0
	for _, c := range s.w.Pager.Calls() {
		if c.Action == action && c.Accepted && c.Effect != "dropped" {
			n++
		}
	}
	return n
}
