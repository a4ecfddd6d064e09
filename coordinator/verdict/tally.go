package verdict

import (
	"slices"
	"time"

	"mailquorum/internal/report"
	"mailquorum/internal/roster"
	"mailquorum/internal/vote"
	"mailquorum/probes"
)

// failingWeight is the evidence, in nats, from which an abstaining region counts
// as one whose canaries fail: the least h that a configuration may ask for. One
// failure never reaches it.
const failingWeight = 4.6

// Tally counts the ballots of all configured regions of a service, of which epoch
// is open or the next to open. A vote bound to another epoch has no opinion on
// this one (votes on the account are bound to none). Down votes count towards
// opening when they come from two failure domains, where the regions have two;
// those that failed in AUTH only if all down votes together span two credential
// domains, for expired passwords are the monitor's own classic common fault.
func Tally(q report.Question, service string, epoch uint64, ballots []Ballot, now time.Time) Verdict {
	v := Verdict{Question: q, Service: service, At: now, Epoch: epoch, N: len(ballots), Q: roster.Quorum(len(ballots)), Ballots: ballots}
	pending := 0 // fresh, but without an opinion yet
	for i := range ballots {
		b := &ballots[i]
		if b.Fresh {
			v.Count = v.Count.Add(b.Count)
			if failing(b.Vote) {
				v.Failing++
			}
			if b.Vote.Reason == vote.OwnAccount && b.Vote.Opinion != vote.Down && b.Vote.Opinion != vote.Up {
				v.OwnAccount++
			}
		}
		switch v.opinion(b) {
		case vote.Up:
			v.Up++
		case vote.Down:
			v.Down++
		case vote.Abstain:
			v.Abstain++
		default:
			v.Silent++
			if b.Fresh {
				pending++
			}
		}
	}
	diverse := v.weigh()
	switch {
	case v.N > 0 && v.Counted >= v.Q && diverse && v.Up == 0:
		v.State = Full
	case v.N > 0 && v.Counted >= v.Q && diverse:
		v.State = Major
	case v.Blind() && v.CanTell()+pending >= v.Q:
		v.State = Unsettled
	case v.Blind():
		v.State = Blind
	case v.Down > 0:
		v.State = Regional
	default:
		v.State = Up
	}
	return v
}

// opinion is what the ballot counts as. Nobody says that there is nothing wrong
// with an account: whoever is heard and does not complain is well.
func (v *Verdict) opinion(b *Ballot) vote.Opinion {
	if v.Question == report.Account && b.Fresh && b.Vote.Opinion != vote.Down {
		return vote.Up
	}
	if !b.Fresh || v.behind(b) {
		return vote.Unsettled
	}
	return b.Vote.Opinion
}

// behind reports whether the ballot's vote is on another epoch than this
// verdict's: its region, or this coordinator, has not heard of an open or close.
func (v *Verdict) behind(b *Ballot) bool {
	return v.Question != report.Account && b.Epoch != v.Epoch && (b.Vote.Opinion == vote.Down || b.Vote.Opinion == vote.Up)
}

func failing(v vote.Vote) bool {
	return v.Opinion == vote.Down || v.Opinion == vote.Abstain && v.Weight >= failingWeight
}

// weigh fills in Counted, Domains and Credentials, and reports whether the
// counted votes come from as many failure domains as they need to.
func (v *Verdict) weigh() bool {
	var voices []voice
	if v.Down > 0 {
		voices = make([]voice, 0, v.Down)
	}
	domains := 0
	for i := range v.Ballots {
		b := &v.Ballots[i]
		if domains < neededDomains && firstOfDomain(v.Ballots, i) {
			domains++
		}
		if v.opinion(b) == vote.Down {
			voices = append(voices, voice{b.Region.FailureDomain(), b.Vote.Stage == probes.StageAuth, b.Credentials})
		}
	}
	v.Counted, v.Domains, v.Credentials = weigh(voices)
	return v.Domains >= domains
}

func firstOfDomain(ballots []Ballot, i int) bool {
	for j := range i {
		if ballots[j].Region.FailureDomain() == ballots[i].Region.FailureDomain() {
			return false
		}
	}
	return true
}

// neededDomains is how many failure domains must agree, where the voters have as
// many, and how many credential domains, where AUTH is what fails.
const neededDomains = 2

// voice is what matters of a down vote for opening.
type voice struct {
	domain      string
	auth        bool
	credentials []string
}

// weigh returns how many of the down votes count towards opening, of how many
// failure domains those are, and how many credential domains all of them span.
func weigh(voices []voice) (counted, domains, credentials int) {
	var seen, creds []string
	for _, x := range voices {
		for _, c := range x.credentials {
			if !slices.Contains(creds, c) {
				creds = append(creds, c)
			}
		}
	}
	for _, x := range voices {
		if x.auth && len(creds) < neededDomains {
			continue
		}
		counted++
		if !slices.Contains(seen, x.domain) {
			seen = append(seen, x.domain)
		}
	}
	return counted, len(seen), len(creds)
}
