package verdict

import (
	"slices"
	"time"

	"mailquorum/internal/report"
	"mailquorum/internal/roster"
	"mailquorum/internal/vote"
	"mailquorum/probes"
)

// Ballot is what one region says, and how that is known.
type Ballot struct {
	Region      roster.Region
	Vote        vote.Vote     // Unsettled unless Fresh; Since is then when the region was last heard
	Epoch       uint64        // the epoch that the vote is bound to
	Fresh       bool          // a strict majority of the region's configured agents was heard within Timing.Fresh
	Age         time.Duration // bound on the age of the oldest report behind the vote; if not Fresh, of the newest report
	Count       report.Count  // summed over the region's fresh agents
	Credentials []string      // credential domains of the agents behind the vote, sorted; "" is one of its own
	Raw         [][]byte      // the signed reports behind the vote: exactly a strict majority of the region's agents

	words  []word // what Raw says, for the choice of a certificate
	window uint64 // how far apart they may be
}

// word is a signed report with its speaker's place in the roster.
type word struct {
	node   int
	report *report.Report
	raw    []byte
}

// heard is what one agent of a region says.
type heard struct {
	word
	vote        report.Vote
	has         bool // it has a vote on the question
	age         time.Duration
	credentials string
}

// Collect returns one ballot per region that votes on the service, in roster
// order, from the newest reports on the board as they are at now. A report counts
// when it is of roster r and its age bound is within Timing.Fresh. A region with
// several agents has the opinion of a strict majority of those configured, and
// else none.
func Collect(b *report.Board, r *roster.Roster, q report.Question, service string, now time.Time) []Ballot {
	place := r.ServiceIndex(service)
	if place < 0 {
		return nil
	}
	known := b.Roster() == r || b.Roster().Hash() == r.Hash()
	limit, near := r.Timing.WithDefaults().Fresh, window(r)
	voters := r.Voters(service)
	ballots := make([]Ballot, len(voters))
	var agents []heard
	for i, region := range voters {
		bal := &ballots[i]
		bal.Region, bal.window = region, near
		configured, convicted, newest := 0, false, time.Duration(-1)
		var last time.Time
		agents = agents[:0]
		for j := range r.Nodes {
			n := &r.Nodes[j]
			if n.Role != roster.Agent || n.Region != region.Name {
				continue
			}
			configured++
			if !known {
				continue
			}
			convicted = convicted || b.IsSilenced(j)
			e := b.At(j)
			if e == nil {
				continue
			}
			if e.Received.After(last) {
				last = e.Received
			}
			age, bounded := b.Age(now, e)
			if bounded && (newest < 0 || age < newest) {
				newest = age
			}
			if !bounded || age > limit {
				continue
			}
			h := heard{word: word{j, &e.Report, e.Raw}, age: age, credentials: n.Credentials}
			h.vote, h.has = e.Report.Vote(q, place)
			agents = append(agents, h)
			bal.Count = bal.Count.Add(h.vote.Count)
		}
		bal.Vote = vote.Vote{Reason: vote.NoData, Since: last}
		if convicted {
			bal.Vote.Reason = vote.Convicted
		}
		bal.Age = max(newest, 0)
		need := configured/2 + 1
		if configured == 0 || len(agents) < need {
			continue
		}
		bal.Fresh = true
		bal.Vote.Since = time.Time{}
		bal.settle(agents, need)
		if q == report.Outage && bal.Vote.Opinion == vote.Unsettled {
			bal.excuse(agents, need, place)
		}
	}
	return ballots
}

// excuse notes that a region has no opinion because its own account is refused.
func (bal *Ballot) excuse(agents []heard, need, place int) {
	n := 0
	for _, h := range agents {
		if a, ok := h.report.Vote(report.Account, place); ok && a.Opinion == vote.Down {
			n++
			bal.Vote.Since = a.Vote().Since
		}
	}
	if n >= need {
		bal.Vote.Reason = vote.OwnAccount
	}
}

// settle gives the ballot the opinion and epoch that at least need of the
// region's fresh agents share, if there is one.
func (bal *Ballot) settle(agents []heard, need int) {
	for i, h := range agents {
		if !h.has {
			continue
		}
		same := func(o heard) bool {
			return o.has && o.vote.Opinion == h.vote.Opinion && o.vote.Epoch == h.vote.Epoch
		}
		if i > 0 && slices.ContainsFunc(agents[:i], same) {
			continue // asked before
		}
		n := 0
		for _, o := range agents {
			if same(o) {
				n++
			}
		}
		if n < need {
			continue
		}
		bal.Epoch, bal.Age = h.vote.Epoch, 0
		bal.words = make([]word, 0, need)
		bal.Raw = make([][]byte, 0, need)
		var speaker *heard
		for k := range agents {
			o := &agents[k]
			if !same(*o) || len(bal.Raw) == need {
				continue
			}
			bal.words, bal.Raw = append(bal.words, o.word), append(bal.Raw, o.raw)
			bal.Credentials = append(bal.Credentials, o.credentials)
			bal.Age = max(bal.Age, o.age)
			if speaker == nil || speaks(o.vote, speaker.vote) {
				speaker = o
			}
		}
		slices.Sort(bal.Credentials)
		bal.Credentials = slices.Compact(bal.Credentials)
		bal.Vote = speaker.vote.Vote()
		if bal.Vote.Opinion > vote.Abstain {
			bal.Vote = vote.Vote{Reason: vote.NoData} // of a later version
		}
		return
	}
}

// speaks reports whether a rather than b gives the reason of their region: a
// failing AUTH before anything else, for it counts for less, then the one with
// more evidence.
func speaks(a, b report.Vote) bool {
	if x, y := a.Stage == probes.StageAuth, b.Stage == probes.StageAuth; x != y {
		return x
	}
	return a.Weight > b.Weight
}
