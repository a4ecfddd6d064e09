package coordinator

import (
	"fmt"
	"time"

	"mailquorum/internal/report"
)

// suspects is what was said in the log about nodes whose reports do not count. It
// is guarded by Coordinator.mu.
type suspects struct {
	convicted map[string]bool // of equivocation
	rosters   map[string]*foreignRosters
}

// foreignRosters are the rosters that a node spoke of and that are not ours.
type foreignRosters struct {
	hashes map[[8]byte]bool
	last   time.Time // when one of them was logged
}

// Bounds of what is logged about a node that speaks of other rosters.
const (
	rostersLogged = 16
	rostersPause  = time.Minute
)

func newSuspects() suspects {
	return suspects{convicted: map[string]bool{}, rosters: map[string]*foreignRosters{}}
}

// convict reports whether the node is to be logged as convicted: once.
func (s *suspects) convict(node string) bool {
	if s.convicted[node] {
		return false
	}
	s.convicted[node] = true
	return true
}

// stray reports whether the node is to be logged as having another roster: once
// for each roster, and once a rostersPause.
func (s *suspects) stray(now time.Time, node string, hash [8]byte) bool {
	f := s.rosters[node]
	if f == nil {
		f = &foreignRosters{hashes: map[[8]byte]bool{}}
		s.rosters[node] = f
	}
	if f.hashes[hash] || len(f.hashes) >= rostersLogged || !f.last.IsZero() && now.Sub(f.last) < rostersPause {
		return false
	}
	f.hashes[hash], f.last = true, now
	return true
}

// suspect logs why a node's report does not count, where somebody has to do
// something about it. The caller holds the lock.
func (c *Coordinator) suspect(now time.Time, e report.Envelope, why error) {
	switch why {
	case report.ErrSilenced:
		if c.suspects.convict(e.Node) {
			c.log.Error("a node is convicted of equivocation: it signed two different reports under one number, and is not counted until this coordinator restarts",
				"convicted", e.Node, "hint", "two processes run with its key, or its disk was set back: stop one of them, give the node a new key if it may be stolen, then restart the coordinators")
		}
	case report.ErrRoster:
		hash, err := report.RosterHash(e)
		if err != nil {
			return
		}
		if _, err := e.Verify(c.cfg.Roster); err != nil {
			return // anybody may have said so
		}
		if c.suspects.stray(now, e.Node, hash) {
			c.log.Warn("a node reports by another roster: it is not counted", "from", e.Node, "its_roster", fmt.Sprintf("%x", hash),
				"our_roster", fmt.Sprintf("%x", c.cfg.Roster.Hash()), "hint", "give every node the same roster file and reload them (SIGHUP)")
		}
	}
}
