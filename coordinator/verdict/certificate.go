package verdict

import (
	"cmp"
	"slices"
	"time"

	"mailquorum/internal/report"
	"mailquorum/internal/roster"
	"mailquorum/internal/vote"
	"mailquorum/probes"
)

// MaxCertificate bounds a certificate's reports, in bytes: two of them fit into
// one message of the mesh with an incident's record.
const MaxCertificate = report.MaxMessage/2 - 2<<10

// Certificate is the proof of a verdict: the signed reports of a quorum of
// regions, all voting alike and bound to one epoch. Verify checks it from its
// bytes and the roster alone.
type Certificate struct {
	Reports [][]byte `cbor:"1,keyasint,omitempty" json:"reports,omitempty"`
}

// IsZero reports whether there is no proof.
func (c Certificate) IsZero() bool { return len(c.Reports) == 0 }

// Certificate returns the proof that q regions hold opinion o (Up or Down) on the
// verdict's epoch, or false when they do not, or cannot prove it yet. It chooses
// among the votes so that what one lying region adds to its report cannot spoil
// the proof of the others.
func (v Verdict) Certificate(o vote.Opinion) (Certificate, bool) {
	return v.certify(o, func(word) bool { return true })
}

// CertificateAfter is Certificate, made of reports that were all spoken with
// knowledge of the earlier certificate's: a close that comes after its open.
func (v Verdict) CertificateAfter(r *roster.Roster, o vote.Opinion, earlier Certificate) (Certificate, bool) {
	before, err := open(r, earlier)
	if err != nil {
		return Certificate{}, false
	}
	return v.certify(o, func(w word) bool { return after(w, before) == nil })
}

func (v Verdict) certify(o vote.Opinion, usable func(word) bool) (Certificate, bool) {
	if o == vote.Down && !v.Opens() || o == vote.Up && v.Up < v.Q || o != vote.Up && o != vote.Down {
		return Certificate{}, false
	}
	var from []*Ballot
	for i := range v.Ballots {
		b := &v.Ballots[i]
		if v.opinion(b) != o || o == vote.Down && v.Counted < v.Down && b.Vote.Stage == probes.StageAuth {
			continue
		}
		if len(b.words) > 0 && !slices.ContainsFunc(b.words, func(w word) bool { return !usable(w) }) {
			from = append(from, b)
		}
	}
	if len(from) < v.Q {
		return Certificate{}, false
	}
	chosen := v.choose(from, o == vote.Down)
	if chosen == nil {
		return Certificate{}, false
	}
	var c Certificate
	size := 0
	for _, b := range chosen {
		for _, raw := range b.Raw {
			c.Reports = append(c.Reports, raw)
			size += len(raw)
		}
	}
	return c, size <= MaxCertificate
}

// choose picks q ballots that were given at the same time, and for a down verdict
// of two failure domains and, where AUTH is among the stages, two credential
// domains. It starts from each pair that brings the domains, and fills up with
// those that agree with most others, the smaller report first.
func (v *Verdict) choose(from []*Ballot, down bool) []*Ballot {
	agree := make([][]bool, len(from))
	rank := make([]int, len(from))
	for i := range from {
		agree[i] = make([]bool, len(from))
		for j := range from {
			agree[i][j] = i == j || sameTime(from[i], from[j])
			if agree[i][j] {
				rank[i]++
			}
		}
	}
	order := make([]int, len(from))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		return cmp.Or(cmp.Compare(rank[j], rank[i]), cmp.Compare(size(from[i]), size(from[j])))
	})
	diverse := func(i, j int) bool { return true }
	if down {
		diverse = v.diverse(from)
	}
	for n, i := range order {
		for _, j := range order[n:] {
			if i == j && v.Q > 1 || !agree[i][j] || !diverse(i, j) {
				continue
			}
			chosen := []int{i}
			if j != i {
				chosen = append(chosen, j)
			}
			for _, k := range order {
				if len(chosen) >= v.Q {
					break
				}
				if !slices.ContainsFunc(chosen, func(c int) bool { return c == k || !agree[c][k] }) {
					chosen = append(chosen, k)
				}
			}
			if len(chosen) < v.Q {
				continue
			}
			slices.Sort(chosen)
			out := make([]*Ballot, 0, v.Q)
			for _, k := range chosen {
				out = append(out, from[k])
			}
			return out
		}
	}
	return nil
}

// diverse returns whether two of the ballots bring as many failure domains and,
// where AUTH fails, credential domains as opening needs. Where many ballots bring
// them, some pair does: of two that differ in the one, a third differs in the
// other from at least one.
func (v *Verdict) diverse(from []*Ballot) func(i, j int) bool {
	domains, auth := 1, false
	for i := range v.Ballots {
		if i > 0 && v.Ballots[i].Region.FailureDomain() != v.Ballots[0].Region.FailureDomain() {
			domains = neededDomains
		}
	}
	for _, b := range from {
		auth = auth || b.Vote.Stage == probes.StageAuth
	}
	return func(i, j int) bool {
		a, b := from[i], from[j]
		if domains > 1 && a.Region.FailureDomain() == b.Region.FailureDomain() {
			return false
		}
		_, _, credentials := weigh([]voice{{credentials: a.Credentials}, {credentials: b.Credentials}})
		return !auth || credentials >= neededDomains
	}
}

// sameTime reports whether all reports behind the two ballots were spoken at
// about the same time.
func sameTime(a, b *Ballot) bool {
	for _, x := range a.words {
		for _, y := range b.words {
			if together(x, y, a.window) != nil {
				return false
			}
		}
	}
	return true
}

func size(b *Ballot) int {
	n := 0
	for _, raw := range b.Raw {
		n += len(raw)
	}
	return n
}

// Spoken is when the certificate's reports were spoken: the median of their
// speakers' wall clocks, which a minority cannot move far. It is zero for one
// that cannot be read.
func (c Certificate) Spoken() time.Time {
	var wall []int64
	for _, raw := range c.Reports {
		e, err := report.Parse(raw)
		if err != nil {
			return time.Time{}
		}
		rep, err := report.Open(e)
		if err != nil {
			return time.Time{}
		}
		wall = append(wall, rep.Wall)
	}
	if len(wall) == 0 {
		return time.Time{}
	}
	slices.Sort(wall)
	return time.UnixMilli(wall[len(wall)/2]).UTC()
}

// Verdict is the verdict as far as the certificate tells it: its ballots are those
// of the regions in it alone. It is for drawing what another coordinator saw.
func (c Certificate) Verdict(r *roster.Roster, q report.Question, service string, epoch uint64) Verdict {
	voters := r.Voters(service)
	v := Verdict{Question: q, Service: service, Epoch: epoch, N: len(voters), Q: roster.Quorum(len(voters)), At: c.Spoken()}
	words, err := open(r, c)
	if err != nil {
		return v
	}
	place := r.ServiceIndex(service)
	var ballots []Ballot
	for _, g := range voters {
		var agents []heard
		for _, w := range words {
			if n := r.Nodes[w.node]; n.Region == g.Name {
				h := heard{word: w, credentials: n.Credentials}
				h.vote, h.has = w.report.Vote(q, place)
				agents = append(agents, h)
			}
		}
		if need := len(r.Agents(g.Name))/2 + 1; len(agents) >= need {
			b := Ballot{Region: g, Fresh: true}
			for _, a := range agents {
				b.Count = b.Count.Add(a.vote.Count)
			}
			b.settle(agents, need)
			ballots = append(ballots, b)
		}
	}
	t := Tally(q, service, epoch, ballots, v.At)
	t.N, t.Q = v.N, v.Q
	t.State = Up
	if t.Down >= t.Q {
		t.State = Major
	}
	return t
}
