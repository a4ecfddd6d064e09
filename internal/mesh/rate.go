package mesh

import "time"

// bucket lets messageBurst messages pass at once, and messageRate a second.
type bucket struct {
	spent float64 // messages, less what time has paid back
	last  time.Time
}

func (b *bucket) take(now time.Time) bool {
	b.spent = max(0, b.spent-now.Sub(b.last).Seconds()*messageRate)
	b.last = now
	if b.spent+1 > messageBurst {
		return false
	}
	b.spent++
	return true
}

// affords reports whether one more message of p is taken.
func (p *peer) affords(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rate.take(now)
}
