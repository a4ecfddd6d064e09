// Package verdict counts votes. It turns the newest reports into one ballot per
// configured region, the ballots into a verdict, and a verdict into a certificate
// that anyone can check from its bytes and the roster alone. It is pure: no
// clock, no I/O, the same input gives the same answer on every coordinator.
//
//	N configured regions = D down + U up + A abstaining + S silent or unsettled
//	q = N/2 + 1
//	major   D >= q, the votes bound to the epoch, from two failure domains
//	full    major, and all who can tell say down: D = N-A-S
//	blind   N-A-S < q
//	up      U >= q, nobody down
//
// N is the regions that the roster gives the service, never who is alive; a tie
// declares nothing.
package verdict

import (
	"time"

	"mailquorum/internal/report"
)

// State is a verdict in one word.
type State string

// The states of a verdict.
const (
	Up        State = "up"        // a quorum says up, nobody says down
	Unsettled State = "unsettled" // too few have an opinion, but enough of them are there
	Regional  State = "regional"  // some say down, but not enough, or all of one domain
	Major     State = "major"     // a quorum says down
	Full      State = "full"      // everybody who can tell says down, and that is a quorum
	Blind     State = "blind"     // too few can tell
)

// Verdict is the tally of one question about one service.
type Verdict struct {
	Question report.Question
	Service  string
	At       time.Time
	Epoch    uint64 // the epoch that votes had to be bound to
	N, Q     int    // configured regions, and how many of them decide

	Down, Up, Abstain, Silent int // their sum is N; Silent counts the unsettled and those bound to another epoch too

	Counted     int // of Down, those that count towards opening (see Tally)
	Domains     int // failure domains of the Counted votes
	Credentials int // credential domains of the Down votes
	Failing     int // regions whose canaries fail, also of those that abstain
	OwnAccount  int // regions without an opinion because their own account is refused

	State   State
	Ballots []Ballot     // one per configured region, in roster order
	Count   report.Count // summed over the fresh ballots
}

// CanTell is the number of regions with an opinion: N-A-S.
func (v Verdict) CanTell() int { return v.Down + v.Up }

// Blind reports whether too few regions can tell: neither open nor close then.
func (v Verdict) Blind() bool { return v.CanTell() < v.Q }

// Opens reports whether the down votes suffice to open an incident.
func (v Verdict) Opens() bool { return v.State == Major || v.State == Full }
