package probes

import "fmt"

// Outcome is what became of a canary.
type Outcome uint8

// The outcomes of a canary (docs/design.md section 4).
const (
	InFlight   Outcome = iota // accepted by the provider, not seen yet, deadline not passed
	Delivered                 // in the inbox, intact, before the deadline
	Failed                    // refused or unreachable by the provider's doing; the stage says where
	AuthFailed                // credentials refused: the provider's fault only when two credential domains see it
	Throttled                 // 4.7.x, "too many", greylisted: self-inflicted
	Policy                    // 5.7.x: reputation or policy, not an outage
	Ambiguous                 // the reply to DATA was lost or negative after the fact: may still arrive
	Late                      // arrived after the deadline, or after it was called lost
	Junked                    // delivered, but into the junk folder
	Bounced                   // a non-delivery report came back
	Lost                      // not there in a complete scan that began after the deadline
	Unknown                   // could not be decided: read side failed, mailbox was emptied, our own fault
)

var outcomeNames = [...]string{"in_flight", "delivered", "failed", "auth_failed", "throttled", "policy",
	"ambiguous", "late", "junked", "bounced", "lost", "unknown"}

// Outcomes lists all outcomes.
func Outcomes() []Outcome {
	all := make([]Outcome, len(outcomeNames))
	for i := range all {
		all[i] = Outcome(i)
	}
	return all
}

// String returns the outcome's name as used in logs, metrics, journals and reports.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// MarshalText writes the outcome's name.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads an outcome's name.
func (o *Outcome) UnmarshalText(b []byte) error {
	for i, n := range outcomeNames {
		if n == string(b) {
			*o = Outcome(i)
			return nil
		}
	}
	return fmt.Errorf("unknown outcome %q", b)
}

// Arrived reports whether the mail is known to have reached the account.
func (o Outcome) Arrived() bool { return o == Delivered || o == Late || o == Junked }

// Open reports whether the canary is still awaited: only a sighting or the
// deadline can tell more.
func (o Outcome) Open() bool { return o == InFlight || o == Ambiguous }

// Accepted reports whether the provider took responsibility for the mail
// (it, or a bounce, may still appear).
func (o Outcome) Accepted() bool {
	switch o {
	case InFlight, Delivered, Ambiguous, Late, Junked, Bounced, Lost, Unknown:
		return true
	}
	return false
}

// Weight says what an outcome means for the question "is the provider down?".
type Weight uint8

// The weights of an outcome as evidence for an outage.
const (
	WeightNone    Weight = iota // says nothing
	WeightAgainst               // the service works
	WeightFull                  // the service fails
	WeightAccount               // concerns our account only: ticket, never an outage
	WeightPending               // not decided yet
)

// Weight returns the outcome's weight as evidence for an outage.
func (o Outcome) Weight() Weight {
	switch o {
	case Delivered, Late:
		return WeightAgainst
	case Failed, Bounced, Lost:
		return WeightFull
	case AuthFailed, Throttled, Policy, Junked:
		return WeightAccount
	case InFlight, Ambiguous:
		return WeightPending
	}
	return WeightNone
}
