package report

import "slices"

// maxClaim bounds the boot numbers that peers are believed: milliseconds since
// 2025 are below it for 285 thousand years, and there is room above it.
const maxClaim = 1 << 53

// Elsewhere reports whether this node has been heard with a (boot, seq) newer than
// this, its newest: then another process speaks with its key, or its journal was
// replaced by an older one, and what it says is dropped as stale. boot is what the
// others know.
//
// A report that its key has signed is proof. An echo is only somebody's word, so
// that two nodes must agree: a single liar cannot have a node count on for ever.
func (b *Board) Elsewhere(boot, seq uint64) (known uint64, yes bool) {
	if e := b.entries[b.self]; e != nil && newer(head{Boot: e.Report.Boot, Seq: e.Report.Seq}, Report{Boot: boot, Seq: seq}) && e.Report.Boot < maxClaim {
		known, yes = e.Report.Boot, true
	}
	var claims []uint64
	for i, e := range b.entries {
		if e == nil || i == b.self {
			continue
		}
		for _, echo := range e.Report.Echo {
			if int(echo.Node) == b.self && newer(head{Boot: echo.Boot, Seq: echo.Seq}, Report{Boot: boot, Seq: seq}) && echo.Boot < maxClaim {
				claims = append(claims, echo.Boot)
				break // one word a node
			}
		}
	}
	if len(claims) < 2 {
		return known, yes
	}
	slices.Sort(claims)
	return max(known, claims[len(claims)-2]), true
}

// IsSilenced reports whether the node at that place of the roster equivocated.
func (b *Board) IsSilenced(place int) bool {
	_, yes := b.silenced[place]
	return yes
}

// RosterHash returns the hash of the roster that a report is of, before anything
// about the report is checked: ErrMalformed when it is none.
func RosterHash(e Envelope) ([8]byte, error) {
	h, err := peek(e)
	return h.Roster, err
}
