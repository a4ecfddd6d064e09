package agent

import (
	"time"

	"mailquorum/probes"
	"mailquorum/probes/collect"
)

// follower keeps every canary that may still change its outcome. It decides
// what became of each from three kinds of news: a sighting, a complete scan
// that began after the deadline, and a mailbox that lost its memory. It does no
// I/O and takes now.
//
// Positive observation: missing is said only after a scan. No scan, no statement.
//
// It costs the same however many canaries are followed: each is matched by its ID,
// those of a route whose outcome is open are in the order of their deadlines, and
// all in the order in which they can be forgotten.
type follower struct {
	deadline  time.Duration
	retention time.Duration
	byID      map[probes.ID]*flight
	open      map[string]*awaited // by route
	leaving   queue               // all, by when they can be forgotten
	looks     map[string]looks    // by mailbox
}

// looks is when a mailbox was last looked at.
type looks struct {
	failed   time.Time // the last look that failed
	complete time.Time // the begin of the last complete one
}

// clockSkew is by how much the server's clock may be behind ours, its whole seconds
// included, for its INTERNALDATE to be believed.
const clockSkew = 5 * time.Second

// awaited are the open canaries of a route, by when they began.
type awaited struct {
	mailbox string
	queue
}

// flight is one followed canary.
type flight struct {
	probes.Canary
	mailbox      string
	seen         []sighted // copies, to tell a second look from a second copy
	wait, forget slot
}

// sighted is the place of one copy.
type sighted struct {
	folder        string
	validity, uid uint32
}

// keepArrived is how long an arrived canary stays in memory so that a second
// copy is known as one at once; later copies are found in the journal.
const keepArrived = time.Hour

func newFollower(deadline, retention time.Duration) *follower {
	return &follower{deadline: deadline, retention: retention, byID: map[probes.ID]*flight{}, open: map[string]*awaited{}, looks: map[string]looks{},
		leaving: queue{of: func(fl *flight) *slot { return &fl.forget }}}
}

// add begins to follow a canary that is to be read in mailbox. One that is followed
// already stays as it is.
func (f *follower) add(c probes.Canary, mailbox string) *flight {
	if fl := f.byID[c.ID]; fl != nil {
		return fl
	}
	fl := &flight{Canary: c, mailbox: mailbox}
	f.byID[c.ID] = fl
	f.place(fl)
	return fl
}

// place puts a flight where its outcome belongs.
func (f *follower) place(fl *flight) {
	if f.byID[fl.ID] != fl {
		return // forgotten meanwhile
	}
	w := f.open[fl.Route]
	if w == nil {
		w = &awaited{mailbox: fl.mailbox, queue: queue{of: func(fl *flight) *slot { return &fl.wait }}}
		f.open[fl.Route] = w
	}
	if fl.Outcome.Open() {
		w.put(fl, fl.Begun())
	} else {
		w.take(fl)
	}
	f.leaving.put(fl, f.until(fl))
}

// until is when a flight can no longer change, or is kept by the journal alone.
func (f *follower) until(fl *flight) time.Time {
	until := fl.Sent.Add(f.retention)
	early := until
	switch {
	case fl.Outcome.Arrived():
		early = fl.Resolved.Add(keepArrived)
	case !fl.Outcome.Accepted():
		early = fl.Begun().Add(f.deadline)
	}
	if early.Before(until) {
		return early
	}
	return until
}

// settle sets an outcome at now.
func (f *follower) settle(fl *flight, now time.Time, o probes.Outcome, stage probes.Stage) {
	fl.Outcome, fl.Stage, fl.Resolved = o, stage, now
	f.place(fl)
}

// postpone has an open canary count from begin.
func (f *follower) postpone(fl *flight, begin time.Time) {
	fl.Greylisted = begin.Sub(fl.Sent)
	f.place(fl)
}

// forget stops following a canary: the journal knows all of it.
func (f *follower) forget(fl *flight) {
	if f.byID[fl.ID] != fl {
		return
	}
	delete(f.byID, fl.ID)
	f.leaving.take(fl)
	f.open[fl.Route].take(fl)
}

// news says what a sighting was.
type news uint8

const (
	newsNone    news = iota // seen before, at this very place
	newsOutcome             // the canary's outcome changed
	newsCopy                // one more copy of a canary that had arrived
)

// sight takes a sighting of a followed canary.
func (f *follower) sight(fl *flight, s collect.Sighting) news {
	place := sighted{s.Folder, s.UIDValidity, s.UID}
	for _, p := range fl.seen {
		if p == place {
			return newsNone
		}
	}
	fl.seen = append(fl.seen, place)
	fl.Copies++
	if fl.Outcome.Arrived() {
		return newsCopy
	}
	fl.Seen, fl.Folder = s.At, s.Folder
	fl.Hops = probes.ParseHops(s.Header)
	fl.Auth, _ = probes.ParseAuthResults(s.Header, "")
	fl.Latency = s.At.Sub(fl.Begun())
	arrived := s.At
	if fl.Latency > f.deadline && f.arrivedUnread(fl, s) {
		arrived = s.Internal
		fl.Latency = max(0, arrived.Sub(fl.Begun()))
	}
	if !fl.Accepted.IsZero() {
		fl.Transit = max(0, arrived.Sub(fl.Accepted))
	}
	switch {
	case fl.Outcome == probes.Lost || fl.Outcome == probes.Bounced || fl.Latency > f.deadline:
		f.settle(fl, s.At, probes.Late, probes.StageTransit)
	case s.Junk:
		f.settle(fl, s.At, probes.Junked, probes.StageNone)
	default:
		f.settle(fl, s.At, probes.Delivered, probes.StageNone)
	}
	return newsOutcome
}

// arrivedUnread reports whether a mail that we saw too late was in time all the
// same: there was a time since it was sent at which its mailbox could not be read,
// and the server says that it came before the deadline.
func (f *follower) arrivedUnread(fl *flight, s collect.Sighting) bool {
	l := f.looks[fl.mailbox]
	if l.failed.IsZero() || l.failed.Before(fl.Begun()) && l.complete.After(l.failed) {
		return false
	}
	took := s.Internal.Sub(fl.Begun())
	return !s.Internal.IsZero() && took >= -clockSkew && took <= f.deadline
}

// failed takes the news that a mailbox cannot be read, or was not until now.
func (f *follower) failed(now time.Time, mailbox string) {
	l := f.looks[mailbox]
	l.failed = now
	f.looks[mailbox] = l
}

// scanned takes a complete, successful look at a mailbox that began then, and
// returns the canaries that it settled: those past their deadline when the look
// began and not there. What was accepted is lost; what may never have been
// accepted has failed; of what was never more than an intent nothing is known.
func (f *follower) scanned(now, began time.Time, mailbox string) []*flight {
	l := f.looks[mailbox]
	l.complete = began
	f.looks[mailbox] = l
	var out []*flight
	for _, w := range f.open {
		for w.mailbox == mailbox {
			fl, begun := w.first()
			if fl == nil || began.Sub(begun) < f.deadline {
				break
			}
			switch {
			case fl.Outcome == probes.Ambiguous && fl.Stage == probes.StageNone: // an intent, cut short by our own end
				f.settle(fl, now, probes.Unknown, probes.StageNone)
			case fl.Outcome == probes.Ambiguous:
				f.settle(fl, now, probes.Failed, probes.StageData)
			default:
				f.settle(fl, now, probes.Lost, probes.StageTransit)
			}
			out = append(out, fl)
		}
	}
	return out
}

// forgot takes the news that a mailbox was recreated or emptied: what was in
// flight towards it may have come and gone unseen.
func (f *follower) forgot(now time.Time, mailbox string) []*flight {
	var out []*flight
	for _, fl := range f.byID {
		if fl.mailbox != mailbox {
			continue
		}
		fl.seen = nil // places mean nothing any more
		if fl.Outcome.Open() && !fl.Accepted.IsZero() {
			f.settle(fl, now, probes.Unknown, probes.StageRetrieve)
			out = append(out, fl)
		}
	}
	return out
}

// overdue reports whether a canary of the mailbox is past its deadline and only
// a scan is missing to say so.
func (f *follower) overdue(now time.Time, mailbox string) bool {
	for _, w := range f.open {
		if fl, begun := w.first(); w.mailbox == mailbox && fl != nil && now.Sub(begun) >= f.deadline {
			return true
		}
	}
	return false
}

// pending counts the open canaries of a route and tells the age of the oldest.
func (f *follower) pending(now time.Time, route string) (n int, oldest time.Duration) {
	w := f.open[route]
	if w == nil {
		return 0, 0
	}
	if fl, begun := w.first(); fl != nil {
		oldest = max(0, now.Sub(begun))
	}
	return w.Len(), oldest
}

// prune forgets what can no longer change, or is kept by the journal alone, and
// returns it.
func (f *follower) prune(now time.Time) (gone []*flight) {
	for {
		fl, until := f.leaving.first()
		if fl == nil || !now.After(until) {
			return gone
		}
		f.forget(fl)
		gone = append(gone, fl)
	}
}
