package sim

import (
	"math/rand/v2"
	"time"
)

// spell is a time that comes again and again, with exponential gaps.
type spell struct {
	gap, mean float64 // seconds; gap 0: it never comes
	exact     bool    // mean is the exact length
	from, to  time.Duration
	seen      [maxRegions]bool // whether the controls of a region see it
}

const maxRegions = 16

// climate is what happens to the regions' own networks, and to all mail at once.
// It has its own source of randomness, so that every rule meets the same faults.
type climate struct {
	w      *World
	n      nature
	own    []spell // by region
	joint  spell   // of regions 0 and 1
	common spell   // of all regions, never seen
	slow   spell

	// onSeen is told of each fault that controls see, before it begins or soon after.
	onSeen func(region int, from time.Duration)
}

func newClimate(w *World, regions int, seed uint64) *climate {
	c := &climate{w: w, n: nature{w, rand.New(rand.NewPCG(seed, 0xfa017))}, own: make([]spell, regions)}
	every := func(perDay float64) float64 {
		if perDay <= 0 {
			return 0
		}
		return 86400 / perDay
	}
	for i := range c.own {
		c.own[i] = spell{gap: every(w.FaultsPerDay), mean: w.FaultMean}
	}
	if regions > 1 {
		c.joint = spell{gap: every(w.JointPerWeek / 7), mean: w.JointMean}
	}
	c.common = spell{gap: every(w.CommonPerYear / 365.25), mean: w.CommonMean}
	c.slow = spell{gap: every(w.SpellsPerDay), mean: w.SpellLength, exact: true}
	return c
}

// at moves a spell on to t and reports whether t is within it.
func (c *climate) at(s *spell, t time.Duration, regions ...int) bool {
	if s.gap == 0 {
		return false
	}
	for t >= s.to {
		length := s.mean
		if !s.exact {
			length = c.n.exp(s.mean)
		}
		s.from = s.to + seconds(c.n.exp(s.gap))
		s.to = s.from + seconds(length)
		for _, r := range regions {
			s.seen[r] = c.n.r.Float64() < c.w.Detected
			if s.seen[r] && c.onSeen != nil {
				c.onSeen(r, s.from)
			}
		}
	}
	return t >= s.from
}

// fault reports whether a region has a local fault at t, and whether its controls
// see one.
func (c *climate) fault(region int, t time.Duration) (on, seen bool) {
	if c.at(&c.own[region], t, region) {
		on, seen = true, c.own[region].seen[region]
	}
	if c.at(&c.joint, t, 0, 1) && region < 2 {
		on, seen = true, seen || c.joint.seen[region]
	}
	if c.at(&c.common, t) {
		on = true
	}
	return on, seen
}

// slowness is by what all latency is multiplied at t.
func (c *climate) slowness(t time.Duration) float64 {
	if c.at(&c.slow, t) {
		return c.w.SpellFactor
	}
	return 1
}
