package mailtest

import (
	"fmt"
	"time"
)

// Mode is what the provider does with mail for a user. It acts on the next
// recipient, in sessions already open too.
type Mode struct {
	kind  kind
	after time.Duration
}

type kind uint8

const (
	normal kind = iota
	hold
	drop
	dup
	junk
	bounce
	reject
	deferRcpt
	rejectData
	deferData
	deferDelivered
	cutAfterData
	late
	slow
	delay
)

// The modes without an argument.
var (
	Normal         = Mode{kind: normal}         // deliver after the healthy delay
	Hold           = Mode{kind: hold}           // accept, keep in the queue until Release
	Drop           = Mode{kind: drop}           // accept (250), then throw away without a trace
	Dup            = Mode{kind: dup}            // deliver two copies
	Junk           = Mode{kind: junk}           // deliver into the junk folder
	Bounce         = Mode{kind: bounce}         // accept, then send a non-delivery report (RFC 3464) to the sender
	Reject         = Mode{kind: reject}         // 550 5.7.1 at RCPT
	Defer          = Mode{kind: deferRcpt}      // 451 4.7.1 at RCPT
	RejectData     = Mode{kind: rejectData}     // 550 5.7.1 after the message
	DeferData      = Mode{kind: deferData}      // 451 4.7.1 after the message
	DeferDelivered = Mode{kind: deferDelivered} // deliver, but answer 451 4.3.0 after the message
	CutAfterData   = Mode{kind: cutAfterData}   // deliver, but cut the connection instead of answering
)

// Late accepts and delivers d later than usual.
func Late(d time.Duration) Mode { return Mode{kind: late, after: d} }

// Slow answers RCPT after d, and delivers as usual.
func Slow(d time.Duration) Mode { return Mode{kind: slow, after: d} }

// Delay sets the healthy delay of delivery to d; unlike the other modes it is no
// fault, and stays when the mode changes. See also Provider.SetTransit.
func Delay(d time.Duration) Mode { return Mode{kind: delay, after: d} }

var kindNames = [...]string{"normal", "hold", "drop", "dup", "junk", "bounce", "reject", "defer",
	"reject-data", "defer-data", "defer-delivered", "cut-after-data", "late", "slow", "delay"}

// String is the mode's name, with its duration where it has one: "late 1m0s".
func (m Mode) String() string {
	if m.kind == late || m.kind == slow || m.kind == delay {
		return fmt.Sprintf("%s %s", kindNames[m.kind], m.after)
	}
	return kindNames[m.kind]
}

// ParseMode reads what String wrote.
func ParseMode(s string) (Mode, error) {
	name, arg := s, ""
	for i := range s {
		if s[i] == ' ' {
			name, arg = s[:i], s[i+1:]
			break
		}
	}
	for k, n := range kindNames {
		if n != name {
			continue
		}
		m := Mode{kind: kind(k)}
		if m.kind < late {
			if arg != "" {
				return Mode{}, fmt.Errorf("mode %s takes no argument", name)
			}
			return m, nil
		}
		d, err := time.ParseDuration(arg)
		if err != nil || d < 0 {
			return Mode{}, fmt.Errorf("mode %s needs a duration, not %q", name, arg)
		}
		m.after = d
		return m, nil
	}
	return Mode{}, fmt.Errorf("unknown mode %q", name)
}
