package incident

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"time"

	"mailquorum/coordinator/verdict"
	"mailquorum/internal/report"
	"mailquorum/internal/roster"
	"mailquorum/internal/vote"
)

// Record is the gossip state of one certified subject. Two counters say all: the
// newest epoch that was opened, and the newest that was closed; the subject is
// open while the first is ahead, by one. The certificate of an opening proves
// both counters, for regions vote on an epoch only once the one before is closed.
//
// Merge is its join: Opened and Closed grow, Onset shrinks within an epoch, and
// of two certificates of one epoch the greater wins, byte for byte, so that all
// come to hold the same. The last three only number what each coordinator sees by
// itself; they give its pages the same names everywhere and prove nothing.
type Record struct {
	Subject Subject             `cbor:"1,keyasint" json:"subject"`
	Opened  uint64              `cbor:"2,keyasint,omitempty" json:"opened"`
	Closed  uint64              `cbor:"3,keyasint,omitempty" json:"closed"`
	Onset   int64               `cbor:"4,keyasint,omitempty" json:"onset,omitempty"` // Unix seconds, of epoch Opened; 0: unknown
	Down    verdict.Certificate `cbor:"5,keyasint,omitzero" json:"down,omitzero"`    // of epoch Opened
	Up      verdict.Certificate `cbor:"6,keyasint,omitzero" json:"up,omitzero"`      // of epoch Closed, while that is Opened

	Blinds    uint64 `cbor:"7,keyasint,omitempty" json:"blinds,omitempty"`
	Regionals uint64 `cbor:"8,keyasint,omitempty" json:"regionals,omitempty"`
	Accounts  uint64 `cbor:"9,keyasint,omitempty" json:"accounts,omitempty"`
}

// ErrRecord is the error of each record that does not prove itself.
var ErrRecord = errors.New("incident record does not prove itself")

// generation is the distance between the first epochs of two roster versions.
const generation = 1_000_000

// Genesis is the epoch that counts as closed when a roster comes into force: none
// under versions 0 and 1, a million more with each later one. Certificates name
// their roster, so those of an older one prove nothing to whoever starts under
// the new; a higher version lets everybody count on from the same, higher number.
func Genesis(ro *roster.Roster) uint64 { return (max(ro.Version, 1) - 1) * generation }

// NewRecord is the record of a subject to which nothing happened under the roster.
func NewRecord(ro *roster.Roster, s Subject) Record {
	r := Record{Subject: s}
	if q, _ := s.question(); q != report.Account {
		r.Opened, r.Closed = Genesis(ro), Genesis(ro)
	}
	return r
}

// Records returns the NewRecord of each certified subject of the roster: what an
// agent starts with.
func Records(ro *roster.Roster) map[Subject]Record {
	out := make(map[Subject]Record, 2*len(ro.Services))
	for _, service := range ro.Services {
		for _, q := range []report.Question{report.Outage, report.Degraded} {
			s := NewSubject(q, service.Name)
			out[s] = NewRecord(ro, s)
		}
	}
	return out
}

// Merge joins two records of one subject. It is commutative, associative and
// idempotent, and has no clock. It checks nothing: verify first.
func Merge(a, b Record) Record {
	if order(a, b) < 0 {
		a, b = b, a
	}
	out := a
	out.Subject = max(a.Subject, b.Subject)
	if a.Opened == b.Opened && b.Onset != 0 && (a.Onset == 0 || b.Onset < a.Onset) {
		out.Onset = b.Onset
	}
	out.Blinds = max(a.Blinds, b.Blinds)
	out.Regionals = max(a.Regionals, b.Regionals)
	out.Accounts = max(a.Accounts, b.Accounts)
	return out
}

// order compares what records prove: counters first, then certificates.
func order(a, b Record) int {
	return cmp.Or(cmp.Compare(a.Opened, b.Opened), cmp.Compare(a.Closed, b.Closed),
		compare(a.Down, b.Down), compare(a.Up, b.Up))
}

func compare(a, b verdict.Certificate) int {
	for i := range min(len(a.Reports), len(b.Reports)) {
		if c := bytes.Compare(a.Reports[i], b.Reports[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a.Reports), len(b.Reports))
}

// Epoch is the epoch to vote on: the one after the newest closed, which while
// the subject is open is the open one.
func (r Record) Epoch() uint64 { return r.Closed + 1 }

// Open reports whether the newest epoch is open.
func (r Record) Open() bool { return r.Opened > r.Closed }

// OnsetTime is when the first canary of the newest epoch's outage failed, as far
// as its voters know; zero when nothing was opened.
func (r Record) OnsetTime() time.Time {
	if r.Onset == 0 {
		return time.Time{}
	}
	return time.Unix(r.Onset, 0).UTC()
}

// Verify checks from the record's bytes and the roster alone that its counters
// are true: opened by a quorum's down votes, closed by a quorum's up votes spoken
// after those. A record to which nothing happened since the roster came into
// force needs no proof. Every error is an ErrRecord.
func (r Record) Verify(ro *roster.Roster) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s: %w", ErrRecord, r.Subject, fmt.Errorf(format, args...))
	}
	q, known := r.Subject.question()
	if _, ok := ro.Service(r.Subject.Service()); !ok || !known {
		return fail("no such subject")
	}
	if r.Opened == r.Closed && r.Closed == Genesis(ro) || q == report.Account {
		if !r.Down.IsZero() || !r.Up.IsZero() || r.Onset != 0 || q == report.Account && r.Opened+r.Closed != 0 {
			return fail("it holds what it cannot prove")
		}
		return nil
	}
	if r.Opened <= Genesis(ro) || r.Opened-Genesis(ro) >= generation {
		return fail("epoch %d is not of roster version %d", r.Opened, ro.Version)
	}
	if r.Opened != r.Closed && r.Opened != r.Closed+1 {
		return fail("opened %d, closed %d", r.Opened, r.Closed)
	}
	if r.Open() != r.Up.IsZero() {
		return fail("it is open exactly while it has no certificate of the close")
	}
	if err := r.Down.Verify(ro, q, r.Subject.Service(), r.Opened, vote.Down); err != nil {
		return fail("opened(%d): %w", r.Opened, err)
	}
	// The onset is in whole seconds, and honestly at most Linger before the votes.
	spoken, t := r.Down.Spoken(), ro.Timing.WithDefaults()
	if r.OnsetTime().Before(spoken.Add(-max(3*t.Reopen, t.Linger+time.Second))) || r.OnsetTime().After(spoken.Add(t.Reopen)) {
		return fail("onset %v, votes of %v", r.OnsetTime(), spoken)
	}
	if r.Open() {
		return nil
	}
	if err := r.Up.After(ro, r.Down); err != nil {
		return fail("closed(%d): %w", r.Closed, err)
	}
	if err := r.Up.Verify(ro, q, r.Subject.Service(), r.Closed, vote.Up); err != nil {
		return fail("closed(%d): %w", r.Closed, err)
	}
	return nil
}

// question is what regions vote on for the subject.
func (s Subject) question() (report.Question, bool) {
	switch s.Kind() {
	case Outage:
		return report.Outage, true
	case Degraded:
		return report.Degraded, true
	case Account:
		return report.Account, true
	}
	return 0, false
}

// onset is the earliest failure of the regions that vote down, not longer before
// their votes than span: what is older belongs to something else.
func onset(v verdict.Verdict, spoken time.Time, span time.Duration) int64 {
	first := spoken
	for _, b := range v.Ballots {
		s := b.Vote.Since
		if b.Fresh && b.Vote.Opinion == vote.Down && !s.IsZero() && s.Before(first) && !s.Before(spoken.Add(-span)) {
			first = s
		}
	}
	return first.Unix()
}
