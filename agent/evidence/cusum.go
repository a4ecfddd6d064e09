package evidence

import (
	"math"
	"time"
)

// model holds the constants of one CUSUM: of the outage's, or of another question's.
type model struct {
	p0, rho, tau float64 // tau in nanoseconds
	ok           float64 // ln((1-p1)/(1-p0)): what a success adds to W, negative
	fail         float64 // ln(p1/p0): what a failure takes from V
	cap          float64
}

func newModel(p *Params, p0, p1 float64) model {
	m := model{p0: p0, rho: max(p.Rho, p0), tau: float64(p.Tau), cap: 2 * p.H,
		ok: math.Log((1 - p1) / (1 - p0)), fail: math.Log(p1 / p0)}
	if p.without(Runs) {
		m.rho = p0
	}
	return m
}

// upAt is V at which a region that was down says up again: seven good canaries.
const upAt = 4.7

// cusum accumulates evidence over canaries in the order in which they were sent
// (Page 1954; runs as in design section 5). Times are nanoseconds since the
// route's epoch. It is a value: copies continue apart.
type cusum struct {
	w, v  float64       // evidence for, and for having recovered
	run   float64       // probability that a run of failures is on: 0 or 1, between for overdue mail
	glow  float64       // probability that the newest of the run was a failure, at last
	last  time.Duration // when the newest of the run was sent
	since time.Duration // when the first failure since w was 0 was sent
	any   bool          // since is set
}

func (c *cusum) good(m *model) {
	c.w += m.ok
	c.v = min(upAt-m.ok, c.v-m.ok)
	c.run, c.glow = 0, 0
	if c.w <= 0 || c.v >= upAt {
		c.w, c.any = 0, false
	}
}

// bad adds a failure (s = 0), or a canary that is missing at an age which the
// share s of arriving mail reaches. It returns what that weighs.
func (c *cusum) bad(m *model, at time.Duration, s float64) float64 {
	glow := 0.0
	if c.run > 0 {
		glow = c.glow * math.Exp(-math.Abs(float64(at-c.last))/m.tau)
	}
	p0 := m.p0 + (m.rho-m.p0)*glow
	p1 := p1First + (p1Later-p1First)*c.run
	l := max(0, math.Log((p1+(1-p1)*s)/(p0+(1-p0)*s)))
	c.w = min(m.cap, c.w+l)
	c.v = max(0, c.v-l*m.fail/math.Log(p1First/m.p0))
	failed := p0 / (p0 + (1-p0)*s) // and is not just slow
	c.glow, c.last = max(failed, glow), at
	c.run = max(c.run, failed)
	if !c.any {
		c.since, c.any = at, true
	}
	return l
}
