package store

import (
	"bytes"
	"cmp"
	"slices"
	"time"
)

// ClaimState is what a coordinator says of a page.
type ClaimState uint8

// The states of a claim, in the order in which one attempt goes through them.
const (
	Intent ClaimState = 1 // about to send it
	Failed ClaimState = 2 // tried; not known to be accepted
	Sent   ClaimState = 3 // the destination accepted it: the receipt
)

var claimNames = [...]string{"", "intent", "failed", "sent"}

// String returns the state's name.
func (s ClaimState) String() string {
	if int(s) < len(claimNames) {
		return claimNames[s]
	}
	return "unknown"
}

// ClaimID names a claim: each coordinator has one for each page and destination.
type ClaimID struct {
	Key         string
	Action      Action
	Round       int
	Destination string
	Coordinator string
}

// Claim is what one coordinator says about sending one page to one destination.
type Claim struct {
	ClaimID
	State   ClaimState
	Attempt uint32    // counts its attempts, from 1
	Maybe   bool      // some failed attempt may have been accepted all the same
	At      time.Time // by its clock
	Raw     []byte    // the signed message
	Seen    time.Time // when this coordinator learned of it, by its own clock
}

// newer orders the states of one coordinator's claim: sent is final, otherwise
// the later attempt, the later state of it. The order is total over what the
// claim says, so the greater of two is a join: commutative, associative,
// idempotent.
func (c Claim) newer(o Claim) bool {
	sent := func(c Claim) int {
		if c.State == Sent {
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(sent(c), sent(o)), cmp.Compare(c.Attempt, o.Attempt), cmp.Compare(c.State, o.State),
		c.At.Compare(o.At), bytes.Compare(c.Raw, o.Raw),
	) > 0
}

// News reports whether joining c would change anything.
func (s *Store) News(c Claim) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.claims[c.ClaimID]
	return !ok || c.newer(old)
}

// Claims returns what is known about a key, or with "" about all keys, in a
// fixed order.
func (s *Store) Claims(key string) []Claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Claim
	for id, c := range s.claims {
		if key == "" || id.Key == key {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Claim) int {
		return cmp.Or(compare(a.Key, b.Key), compare(a.Action, b.Action), cmp.Compare(a.Round, b.Round),
			compare(a.Destination, b.Destination), compare(a.Coordinator, b.Coordinator))
	})
	return out
}

func (s *Store) addClaim(c Claim) {
	old, ok := s.claims[c.ClaimID]
	if ok && !c.newer(old) {
		return
	}
	s.claims[c.ClaimID] = c
	s.mark(c.ClaimID)
	if inc := s.incidents[s.keys[c.Key]]; inc != nil && c.State == Sent {
		s.notePage(inc, c)
	}
}

// CountClaims returns how many claims of a coordinator are known.
func (s *Store) CountClaims(coordinator string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.claims {
		if id.Coordinator == coordinator {
			n++
		}
	}
	return n
}

// NewestClaims returns the n claims learned of last, newest first.
func (s *Store) NewestClaims(n int) []Claim {
	out := s.Claims("")
	slices.SortStableFunc(out, func(a, b Claim) int { return b.Seen.Compare(a.Seen) })
	return out[:min(n, len(out))]
}
