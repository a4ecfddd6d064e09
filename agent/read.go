package agent

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"mailquorum/probes"
	"mailquorum/probes/collect"
)

// handler is what a mailbox tells the agent. Its functions run on the mailbox's
// own goroutine, so the disk may be waited for there.
func (a *Agent) handler(mailbox string) collect.Handler {
	return collect.Handler{
		Seen:    func(s collect.Sighting) bool { return a.sighted(mailbox, s) },
		Scanned: func(began time.Time) { a.scanned(mailbox, began) },
		Failed:  func(err *probes.Error) { a.unread(mailbox, err) },
		Reset:   func(reason string) { a.reset(mailbox, reason) },
	}
}

// sighted takes one mail. It answers true, and the mail may be deleted, only when
// the tag is this agent's own and the outcome is on disk.
func (a *Agent) sighted(mailbox string, s collect.Sighting) bool {
	if s.DSN != nil {
		return a.bounced(mailbox, s)
	}
	id, own := a.recognise(s.Tags)
	if !own {
		if len(s.Tags) > 0 {
			a.metrics.foreign(mailbox)
		}
		return false
	}
	fl, mayGo := a.followed(mailbox, id, s)
	if fl == nil {
		return mayGo
	}
	r := a.route(fl.Route)

	a.mu.Lock()
	what := a.follow.sight(fl, s)
	if what != newsNone && len(a.letter(r, fl.Canary).Altered(s.Header)) > 0 {
		fl.Altered = true
	}
	c := fl.Canary
	if what == newsOutcome {
		a.observe(s.At, r, c)
	}
	a.mu.Unlock()
	switch what {
	case newsOutcome:
		saved := a.save(c)
		a.finish(r, c)
		a.leave(fl, saved)
		level := slog.LevelDebug
		if c.Outcome == probes.Late { // it may have been logged as lost
			level = slog.LevelInfo
		}
		a.log.Log(context.Background(), level, "canary arrived", "route", r.Name, "canary", c.ID.String(), "outcome", c.Outcome.String(), "latency", c.Latency)
		a.urge()
		return saved
	case newsCopy:
		a.metrics.duplicate(r)
		return a.save(c)
	}
	return true
}

// followed returns the canary of a genuine tag, from the journal if need be. Where
// there is none, mayGo says whether its mail may be deleted all the same: a mail
// never creates a row.
//
// What the journal does not know may be awaited by another process with this
// agent's key, so that it stays until the deadline has passed by the server's date.
// A mail is shown once, so what stayed goes after the next start, or when the
// mailbox is read anew.
func (a *Agent) followed(mailbox string, id probes.ID, s collect.Sighting) (fl *flight, mayGo bool) {
	a.mu.Lock()
	fl = a.follow.byID[id]
	a.mu.Unlock()
	if fl != nil {
		return fl, true
	}
	c, ok, err := a.cfg.Journal.Canary(id)
	if err != nil {
		a.log.Error("a canary cannot be looked up", "canary", id.String(), "err", err)
		return nil, false
	}
	r := a.route(c.Route)
	if !ok || r == nil {
		if a.strays.add(id) {
			a.metrics.unknown(mailbox)
		}
		return nil, ok || !s.Internal.IsZero() && s.At.Sub(s.Internal) > a.timing.Deadline
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.follow.add(c, r.Mailbox), true
}

// strays are the canaries of unknown mails that were counted: a mail that stays may
// be seen again. They are bounded; beyond that some are counted twice.
type strays struct {
	mu   sync.Mutex
	seen map[probes.ID]struct{}
}

const straysKept = 4096

// add reports whether the canary is new.
func (s *strays) add(id probes.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.seen[id]; known {
		return false
	}
	if s.seen == nil || len(s.seen) == straysKept {
		s.seen = map[probes.ID]struct{}{}
	}
	s.seen[id] = struct{}{}
	return true
}

// recognise returns the canary of the first tag that this agent's key made.
func (a *Agent) recognise(tags []string) (probes.ID, bool) {
	for _, t := range tags {
		if id, ok := a.tagKey.Verify(t); ok {
			return id, true
		}
	}
	return probes.ID{}, false
}

// scanned takes a complete look at a mailbox: what is past its deadline and was
// not there is lost, and said so only now.
func (a *Agent) scanned(mailbox string, began time.Time) {
	now := time.Now()
	a.mu.Lock()
	missing := a.follow.scanned(now, began, mailbox)
	for _, r := range a.routes {
		if r.Mailbox == mailbox {
			r.evidence.ReadSide(now, nil)
		}
	}
	settled := copies(missing)
	a.observeAll(now, settled)
	a.mu.Unlock()
	a.metrics.scanned(mailbox, began)
	a.conclude(missing, settled)
}

// reset takes the news that a mailbox lost its memory.
func (a *Agent) reset(mailbox, reason string) {
	now := time.Now()
	a.mu.Lock()
	unknown := a.follow.forgot(now, mailbox)
	settled := copies(unknown)
	a.observeAll(now, settled)
	a.mu.Unlock()
	a.log.Warn("mailbox starts anew: what was in flight is unknown", "mailbox", mailbox, "reason", reason, "canaries", len(unknown))
	a.conclude(unknown, settled)
}

func copies(fls []*flight) []probes.Canary {
	out := make([]probes.Canary, len(fls))
	for i, fl := range fls {
		out[i] = fl.Canary
	}
	return out
}

// observeAll tells the evidence of several outcomes. The caller holds the lock.
func (a *Agent) observeAll(now time.Time, cs []probes.Canary) {
	for _, c := range cs {
		a.observe(now, a.route(c.Route), c)
	}
}

// conclude journals and counts settled canaries, cs as they were when they were.
func (a *Agent) conclude(fls []*flight, cs []probes.Canary) {
	for i, c := range cs {
		a.log.Info("canary settled", "route", c.Route, "canary", c.ID.String(), "outcome", c.Outcome.String())
		saved := a.save(c)
		a.finish(a.route(c.Route), c)
		a.leave(fls[i], saved)
	}
	if len(cs) > 0 {
		a.urge()
	}
}

// unread takes a failure of the read side: evidence for stage retrieve, and
// never a word about delivery.
func (a *Agent) unread(mailbox string, err *probes.Error) {
	now := time.Now()
	a.mu.Lock()
	a.follow.failed(now, mailbox)
	for _, r := range a.routes {
		if r.Mailbox == mailbox {
			r.evidence.ReadSide(now, err)
		}
	}
	a.mu.Unlock()
	a.metrics.readError(mailbox, err)
	a.failedRead(mailbox, err)
	a.log.Warn("mailbox cannot be read", "mailbox", mailbox, "outcome", err.Outcome.String(), "err", err, "hint", err.Hint)
	a.urge()
}
