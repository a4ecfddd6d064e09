package coordinator

import (
	"time"

	"mailquorum/coordinator/incident"
)

// unproven is a quorum that agrees on a subject without a certificate of it.
type unproven struct {
	since time.Time
	told  bool
}

// doubt says once in the log that a quorum of regions agrees and that nothing is
// done about it, when that has lasted for Timing.Fresh: until then reports that
// prove it may still be on their way. It belongs to the deciding loop.
func (c *Coordinator) doubt(now time.Time, subject incident.Subject, err error) {
	if err == nil {
		delete(c.unproven, subject)
		return
	}
	u, ok := c.unproven[subject]
	if !ok {
		u.since = now
	}
	if !u.told && now.Sub(u.since) >= c.timing.Fresh {
		u.told = true
		c.log.Error("a quorum of regions agrees and cannot be proven: nothing is decided", "subject", string(subject), "err", err)
	}
	c.unproven[subject] = u
}
