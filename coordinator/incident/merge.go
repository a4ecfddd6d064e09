package incident

import (
	"fmt"
	"time"

	"mailquorum/coordinator/verdict"
	"mailquorum/internal/report"
	"mailquorum/internal/vote"
)

// maxEpisodes bounds the numbers that prove nothing, against one who lies.
const maxEpisodes = 1 << 40

// Merge takes another node's record and returns the notices that this coordinator
// has not given yet, each once. A record that does not prove itself is an
// ErrRecord and changes nothing.
func (m *Machine) Merge(now time.Time, r Record) ([]Notice, error) {
	own := m.s.Record
	if r.Subject != own.Subject {
		return nil, fmt.Errorf("%w: %s is not %s", ErrRecord, r.Subject, own.Subject)
	}
	certified := m.question != report.Account
	earlier := r.Opened == own.Opened && r.Onset != 0 && r.Onset < own.Onset
	news := certified && (order(r, own) > 0 || earlier)
	if !certified || news {
		if err := r.Verify(m.roster); err != nil {
			return nil, err
		}
	}
	m.s.Blind.Epoch = follow(m.s.Blind, r.Blinds)
	m.s.Regional.Epoch = follow(m.s.Regional, r.Regionals)
	m.s.Account.Epoch = follow(m.s.Account, r.Accounts)
	if !news {
		return nil, nil
	}
	m.s.Record = Merge(own, r)
	return m.catchUp(now), nil
}

// follow returns the number of the newest episode that anybody counted.
func follow(e episode, n uint64) uint64 {
	if e.Open || n > maxEpisodes {
		return e.Epoch
	}
	return max(e.Epoch, n)
}

// catchUp gives the notices that the record warrants and that were not given.
func (m *Machine) catchUp(now time.Time) []Notice {
	var out []Notice
	r := m.s.Record
	if r.Opened == m.s.Told {
		m.s.Onset = r.OnsetTime()
	}
	if m.s.Told > m.s.Ended && r.Closed >= m.s.Told {
		out = append(out, m.tellClosed(now, m.proven()))
	}
	if r.Opened > m.s.Told && r.Opened > Genesis(m.roster) {
		out = append(out, m.tellOpened(now, r.Down.Verdict(m.roster, m.question, r.Subject.Service(), r.Opened)))
		if !r.Open() {
			out = append(out, m.tellClosed(now, m.proven()))
		}
	}
	return out
}

// proven is the verdict that closed the newest closed epoch, as far as its
// certificate tells it.
func (m *Machine) proven() verdict.Verdict {
	r := m.s.Record
	return r.Up.Verdict(m.roster, m.question, r.Subject.Service(), r.Closed)
}

// supersede ends an incident of an older roster version, as soon as the regions
// of this one can tell: nobody votes on its epoch any more.
func (m *Machine) supersede(now time.Time, v verdict.Verdict) []Notice {
	if m.s.Told <= m.s.Ended || m.s.Told >= m.s.Record.Epoch() || !v.Opens() && v.Up < v.Q {
		return nil
	}
	return []Notice{m.tellClosed(now, v)}
}

// tellOpened gives the opened notice of the record's newest epoch.
func (m *Machine) tellOpened(now time.Time, v verdict.Verdict) Notice {
	r := m.s.Record
	if !m.s.Closed.IsZero() && now.Sub(m.s.Closed) < m.timing.Reopen {
		m.s.Relapses++
	} else {
		m.s.Relapses = 0
	}
	m.s.Told, m.s.Opened, m.s.Onset = r.Opened, now, r.OnsetTime()
	m.s.Recovered, m.s.Recovering, m.s.holdSince, m.s.Count = time.Time{}, false, time.Time{}, v.Count
	return m.notice(NoticeOpened, now, v)
}

// tellClosed gives the closed notice of the epoch whose opened notice was given.
func (m *Machine) tellClosed(now time.Time, v verdict.Verdict) Notice {
	if v.Count.Sent > 0 {
		m.s.Count = v.Count
	}
	n := m.notice(NoticeClosed, now, v)
	m.s.Ended, m.s.Closed, m.s.Recovering, m.s.holdSince = m.s.Told, now, false, time.Time{}
	clear(m.s.drained)
	return n
}

// notice is about the epoch that was told last.
func (m *Machine) notice(k NoticeKind, now time.Time, v verdict.Verdict) Notice {
	s := m.s.Record.Subject
	wakes := m.question == report.Outage && (k == NoticeOpened || k == NoticeClosed)
	n := Notice{Kind: k, Subject: s, Epoch: m.s.Told, Key: Key(m.roster.Cluster, s, m.s.Told), At: now,
		Onset: m.s.Onset, Drawing: v.Describe(), Count: m.s.Count, Page: wakes}
	n.Text = m.text(k, now, v)
	return n
}

// downRegions names the regions that vote down.
func downRegions(v verdict.Verdict) []string {
	var out []string
	for _, b := range v.Ballots {
		if b.Fresh && b.Vote.Opinion == vote.Down {
			out = append(out, b.Region.Name)
		}
	}
	return out
}
