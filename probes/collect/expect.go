package collect

import "time"

const (
	maxExpected  = 256             // canaries of one mailbox in flight that deserve polling
	slowestPoll  = 2 * time.Second // pause between NOOPs of an old expectation
	ageToPause   = 25              // the pause is a 25th of the age: arrivals are timed to 4 %
	peekEvery    = 3 * time.Second // the junk folder, while something is expected
	pollWhenIdle = 5 * time.Second // NOOPs of the long wait where the server has no IDLE
)

// expectation is one canary that may arrive any moment.
type expectation struct{ since, until time.Time }

// Expect says that a canary was accepted just now and is likely to arrive within
// the given time: until then, or until one of our own is seen, the mailbox is
// polled rather than left to IDLE. It does not block and may be called from
// Handler functions too.
func (m *Mailbox) Expect(likely time.Duration) {
	if likely <= 0 {
		return
	}
	now := time.Now()
	m.mu.Lock()
	m.expected = append(m.expected, expectation{now, now.Add(likely)})
	if len(m.expected) > maxExpected {
		m.expected = append(m.expected[:0], m.expected[1:]...)
	}
	m.mu.Unlock()
	m.kick()
}

// arrived takes one expectation back: which of them does not matter, as only
// their number decides how long is polled.
func (m *Mailbox) arrived() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.expected) > 0 {
		m.expected = append(m.expected[:0], m.expected[1:]...)
	}
}

// expecting returns how long to wait before the next NOOP, false when nothing is
// expected.
func (m *Mailbox) expecting(now time.Time) (pause time.Duration, yes bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	live := m.expected[:0]
	for _, e := range m.expected {
		if now.Before(e.until) {
			live = append(live, e)
		}
	}
	m.expected = live
	if len(live) == 0 {
		return 0, false
	}
	age := now.Sub(live[len(live)-1].since)
	return min(m.cfg.Poll+age/ageToPause, max(slowestPoll, m.cfg.Poll)), true
}
