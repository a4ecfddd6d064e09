// Package vote is what a region can say about a service, and why. It is the
// vocabulary between evidence (which forms a vote), report (which carries it)
// and verdict (which counts it). It is pure.
package vote

import (
	"fmt"
	"time"

	"mailquorum/probes"
)

// Opinion is a region's verdict on a subject.
type Opinion uint8

// The opinions. Unsettled is the zero value: no opinion yet, counted as silent.
const (
	Unsettled Opinion = iota // too little data of its own
	Up
	Down
	Abstain // could not know: its own network, clock or process is in doubt
)

var opinionNames = [...]string{"unsettled", "up", "down", "abstain"}

// String returns the opinion's name.
func (o Opinion) String() string {
	if int(o) < len(opinionNames) {
		return opinionNames[o]
	}
	return fmt.Sprintf("opinion(%d)", uint8(o))
}

// MarshalText writes the opinion's name.
func (o Opinion) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads an opinion's name.
func (o *Opinion) UnmarshalText(b []byte) error {
	for i, n := range opinionNames {
		if n == string(b) {
			*o = Opinion(i)
			return nil
		}
	}
	return fmt.Errorf("unknown opinion %q", b)
}

// Reason is the chief reason of a vote, in one word for the drawing of it.
type Reason uint8

// The reasons. Up to BouncedBack they are reasons to vote down, after it
// reasons to abstain or to have no opinion.
const (
	None         Reason = iota
	Unreachable         // name, connection or TLS failed, or no answer came later on
	Refused             // the server said no (4xx or 5xx of the system, or AUTH)
	Overdue             // accepted, and missing for longer than is likely
	Missing             // lost: not there after the deadline
	BouncedBack         // a non-delivery report came
	Unreadable          // the read side (IMAP) fails; delivery unknown
	Slow                // for degraded: later than the learned p95
	ControlFails        // our own network: the control probes fail
	BadClock            // our clock disagrees with half of the peers
	Starved             // our process or the mesh is not well
	Probation           // too many lonely down votes within 24 h
	OwnAccount          // credentials, quota or throttling: concerns our account only
	NoData              // too little data of its own
	Convicted           // its agent said two things under one number, and is not counted
)

var reasonNames = [...]string{"", "unreachable", "refused", "overdue", "missing", "bounced", "unreadable", "slow",
	"control probe failed", "bad clock", "starved", "on probation", "own account", "no data", "convicted of equivocation"}

// String returns the reason as shown to people.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// MarshalText writes the reason as shown to people.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (r *Reason) UnmarshalText(b []byte) error {
	for i, n := range reasonNames {
		if n == string(b) {
			*r = Reason(i)
			return nil
		}
	}
	return fmt.Errorf("unknown reason %q", b)
}

// Vote is an opinion and why it is held.
type Vote struct {
	Opinion  Opinion       `json:"opinion"`
	Reason   Reason        `json:"reason,omitempty"`
	Stage    probes.Stage  `json:"stage,omitempty"`    // where canaries fail
	Code     int           `json:"code,omitempty"`     // SMTP reply code of the newest failure; 0: none
	Enhanced string        `json:"enhanced,omitempty"` // its enhanced status code, RFC 3463
	Since    time.Time     `json:"since,omitzero"`     // first failing canary of the present run, or since when it abstains
	Weight   float64       `json:"weight,omitempty"`   // accumulated evidence W in nats; a vote needs h (5.0)
	Backing  time.Duration `json:"-"`                  // age of the newest failure behind a Down
}
