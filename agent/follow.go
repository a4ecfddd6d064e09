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
type follower struct {
	deadline  time.Duration
	retention time.Duration
	byID      map[probes.ID]*flight
}

// flight is one followed canary.
type flight struct {
	probes.Canary
	mailbox string
	seen    []sighted // copies, to tell a second look from a second copy
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
	return &follower{deadline: deadline, retention: retention, byID: map[probes.ID]*flight{}}
}

// add begins to follow a canary that is to be read in mailbox.
func (f *follower) add(c probes.Canary, mailbox string) *flight {
	fl := &flight{Canary: c, mailbox: mailbox}
	f.byID[c.ID] = fl
	return fl
}

// settle sets an outcome at now.
func (fl *flight) settle(now time.Time, o probes.Outcome, stage probes.Stage) {
	fl.Outcome, fl.Stage, fl.Resolved = o, stage, now
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
	fl.Latency = s.At.Sub(fl.Sent)
	if !fl.Accepted.IsZero() {
		fl.Transit = max(0, s.At.Sub(fl.Accepted))
	}
	switch {
	case fl.Outcome == probes.Lost || fl.Outcome == probes.Bounced || fl.Latency > f.deadline:
		fl.settle(s.At, probes.Late, probes.StageTransit)
	case s.Junk:
		fl.settle(s.At, probes.Junked, probes.StageNone)
	default:
		fl.settle(s.At, probes.Delivered, probes.StageNone)
	}
	return newsOutcome
}

// scanned takes a complete, successful look at a mailbox that began then, and
// returns the canaries that it settled: those past their deadline when the look
// began and not there. What was accepted is lost; what may never have been
// accepted has failed; of what was never more than an intent nothing is known.
func (f *follower) scanned(now, began time.Time, mailbox string) []*flight {
	var out []*flight
	for _, fl := range f.byID {
		if fl.mailbox != mailbox || !fl.Outcome.Open() || began.Sub(fl.Sent) < f.deadline {
			continue
		}
		switch {
		case fl.Outcome == probes.Ambiguous && fl.Stage == probes.StageNone: // an intent, cut short by our own end
			fl.settle(now, probes.Unknown, probes.StageNone)
		case fl.Outcome == probes.Ambiguous:
			fl.settle(now, probes.Failed, probes.StageData)
		default:
			fl.settle(now, probes.Lost, probes.StageTransit)
		}
		out = append(out, fl)
	}
	return out
}

// forgot takes the news that a mailbox was recreated or emptied: what was in
// flight towards it may have come and gone unseen.
func (f *follower) forgot(now time.Time, mailbox string) []*flight {
	var out []*flight
	for _, fl := range f.byID {
		fl.seen = nil // places mean nothing any more
		if fl.mailbox == mailbox && fl.Outcome.Open() && !fl.Accepted.IsZero() {
			fl.settle(now, probes.Unknown, probes.StageRetrieve)
			out = append(out, fl)
		}
	}
	return out
}

// overdue reports whether a canary of the mailbox is past its deadline and only
// a scan is missing to say so.
func (f *follower) overdue(now time.Time, mailbox string) bool {
	for _, fl := range f.byID {
		if fl.mailbox == mailbox && fl.Outcome.Open() && now.Sub(fl.Sent) >= f.deadline {
			return true
		}
	}
	return false
}

// pending counts the open canaries of a route and tells the age of the oldest.
func (f *follower) pending(now time.Time, route string) (n int, oldest time.Duration) {
	for _, fl := range f.byID {
		if fl.Route == route && fl.Outcome.Open() {
			n++
			oldest = max(oldest, now.Sub(fl.Sent))
		}
	}
	return n, oldest
}

// prune forgets what can no longer change, or is kept by the journal alone.
func (f *follower) prune(now time.Time) {
	for id, fl := range f.byID {
		age := now.Sub(fl.Sent)
		if age > f.retention || fl.Outcome.Arrived() && now.Sub(fl.Resolved) > keepArrived ||
			!fl.Outcome.Accepted() && age > f.deadline {
			delete(f.byID, id)
		}
	}
}
