package evidence

import (
	"mailquorum/internal/roster"
	"mailquorum/internal/vote"
	"mailquorum/probes"
)

// Combine makes an agent's vote on a service of its votes on the service's routes.
// With Any (the default) one route that is down is enough, and up needs all; with
// All it is the other way round. Where neither holds, it abstains if a route does,
// and is unsettled otherwise. Of several down votes the heaviest speaks, those of
// stage auth (which count only when seen in two credential domains) last.
func Combine(c roster.Combine, votes []vote.Vote) vote.Vote {
	var n [4]int
	var first [4]vote.Vote // the one that speaks for its opinion
	for _, v := range votes {
		o := min(v.Opinion, vote.Abstain)
		if n[o] == 0 || louder(v, first[o]) {
			first[o] = v
		}
		n[o]++
	}
	down, up := n[vote.Down] > 0, n[vote.Up] == len(votes)
	if c == roster.All {
		down, up = n[vote.Down] == len(votes), n[vote.Up] > 0
	}
	switch {
	case len(votes) == 0:
		return vote.Vote{Reason: vote.NoData}
	case down:
		return first[vote.Down]
	case up:
		return first[vote.Up]
	case n[vote.Abstain] > 0:
		return first[vote.Abstain]
	case n[vote.Unsettled] > 0:
		return first[vote.Unsettled]
	}
	return vote.Vote{Weight: first[vote.Down].Weight} // all: some down, none up
}

func louder(a, b vote.Vote) bool {
	if x, y := a.Stage == probes.StageAuth, b.Stage == probes.StageAuth; x != y {
		return y
	}
	return a.Weight > b.Weight
}
