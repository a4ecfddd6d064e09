package collect

import (
	"time"

	"github.com/cenkalti/backoff/v5"

	"mailquorum/probes"
)

// steady is how long a session must have worked until its loss counts as a new
// trouble and not as the old one going on.
const steady = 10 * time.Second

// pauses decides when to connect again.
type pauses struct {
	usual, refused *backoff.ExponentialBackOff
	freed          bool // the last loss was answered at once
}

func newPauses(most time.Duration) *pauses {
	return &pauses{
		usual: &backoff.ExponentialBackOff{InitialInterval: min(time.Second, most), Multiplier: 2, RandomizationFactor: 0.3, MaxInterval: most},
		// A wrong password that is tried again and again gets the account locked, and
		// more connections do not help against too many.
		refused: &backoff.ExponentialBackOff{InitialInterval: most, Multiplier: 2, RandomizationFactor: 0.3, MaxInterval: 10 * most},
	}
}

// free reports whether the failure is only the loss of a connection that worked:
// servers restart and drop the idle, networks forget them, all without trouble
// for anyone. Then connecting again, at once, tells what is true; it is free
// once, until a session has been steady.
func (p *pauses) free(up time.Duration, err *failure) bool {
	if up >= steady {
		p.freed = false
	}
	if !err.lost || up < steady || p.freed {
		return false
	}
	p.freed = true
	return true
}

// next returns the pause before the next attempt.
func (p *pauses) next(up time.Duration, err *failure) time.Duration {
	if up >= steady {
		p.usual.Reset()
	}
	switch err.is.Outcome {
	case probes.AuthFailed, probes.Throttled, probes.Policy:
		return p.refused.NextBackOff()
	}
	p.refused.Reset()
	return p.usual.NextBackOff()
}
