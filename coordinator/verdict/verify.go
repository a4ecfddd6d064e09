package verdict

import (
	"errors"
	"fmt"
	"slices"

	"mailquorum/internal/report"
	"mailquorum/internal/roster"
	"mailquorum/internal/vote"
	"mailquorum/probes"
)

// ErrCertificate is the error of each certificate that proves nothing.
var ErrCertificate = errors.New("certificate proves nothing")

// window is how many reports two speakers of one certificate may have missed of
// each other: three times as many as are spoken while a report is fresh. With the
// defaults it is a minute, so honest regions that were wrong on different days are
// not put together by somebody who kept their reports.
func window(r *roster.Roster) uint64 {
	t := r.Timing.WithDefaults()
	return uint64(max(minWindow, 3*t.Fresh/max(t.Alert, 1)))
}

const minWindow = 60

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrCertificate, fmt.Errorf(format, args...))
}

// Verify checks from the certificate's bytes and the roster alone that a quorum
// of the service's regions held opinion o on the epoch, at about the same time:
// each report signed by a different agent of the roster, of this roster, with
// that vote; of each region a strict majority of its agents; each report echoing
// the others; and for Down the failure and credential domains that Tally asks
// for. Every error is an ErrCertificate.
func (c Certificate) Verify(r *roster.Roster, q report.Question, service string, epoch uint64, o vote.Opinion) error {
	place := r.ServiceIndex(service)
	if place < 0 {
		return refuse("the roster has no service %q", service)
	}
	words, err := open(r, c)
	if err != nil {
		return err
	}
	hash, near := r.Hash(), window(r)
	voters := r.Voters(service)
	votes := make(map[string][]report.Vote, len(voters)) // by region
	creds := make(map[string][]string, len(voters))
	for i, w := range words {
		n := r.Nodes[w.node]
		if w.report.Roster != hash {
			return refuse("%s speaks of another roster", n.Name)
		}
		v, ok := w.report.Vote(q, place)
		if !ok || v.Opinion != o || v.Epoch != epoch {
			return refuse("%s does not vote %v on %v/%s, epoch %d", n.Name, o, q, service, epoch)
		}
		if n.Role != roster.Agent || !slices.ContainsFunc(voters, func(g roster.Region) bool { return g.Name == n.Region }) {
			return refuse("%s has no vote on %s", n.Name, service)
		}
		for _, earlier := range words[:i] {
			if earlier.node == w.node {
				return refuse("%s speaks twice", n.Name)
			}
			if err := together(earlier, w, near); err != nil {
				return refuse("%s and %s were not heard together: %w", r.Nodes[earlier.node].Name, n.Name, err)
			}
		}
		votes[n.Region] = append(votes[n.Region], v)
		creds[n.Region] = append(creds[n.Region], n.Credentials)
	}
	if err := quorate(r, voters, votes, creds, o); err != nil {
		return err
	}
	// Signatures last: they cost a thousand times as much as all the rest.
	for _, raw := range c.Reports {
		e, err := report.Parse(raw)
		if err != nil {
			return refuse("%w", err)
		}
		if _, err := e.Verify(r); err != nil {
			return refuse("%s: %w", e.Node, err)
		}
	}
	return nil
}

// quorate counts regions, never agents.
func quorate(r *roster.Roster, voters []roster.Region, votes map[string][]report.Vote, creds map[string][]string, o vote.Opinion) error {
	var voices []voice
	need, regions := 1, 0
	for i, g := range voters {
		if i > 0 && g.FailureDomain() != voters[0].FailureDomain() {
			need = neededDomains
		}
		if 2*len(votes[g.Name]) <= len(r.Agents(g.Name)) {
			continue
		}
		regions++
		auth := slices.ContainsFunc(votes[g.Name], func(v report.Vote) bool { return v.Stage == probes.StageAuth })
		voices = append(voices, voice{g.FailureDomain(), auth, creds[g.Name]})
	}
	if q := roster.Quorum(len(voters)); regions < q {
		return refuse("%d of %d regions, need %d", regions, len(voters), q)
	}
	if o != vote.Down {
		return nil
	}
	counted, domains, _ := weigh(voices)
	if counted < roster.Quorum(len(voters)) {
		return refuse("AUTH fails in one credential domain only")
	}
	if domains < need {
		return refuse("all of one failure domain")
	}
	return nil
}

// After checks that every report of c was spoken with knowledge of those of the
// earlier certificate: a node's own is newer, of the others it echoes those or
// newer ones. Votes from before an outage can so not be kept to end it with. A
// node that the speaker knows nothing of (silenced, or gone before the speaker
// started) is left out.
func (c Certificate) After(r *roster.Roster, earlier Certificate) error {
	before, err := open(r, earlier)
	if err != nil {
		return err
	}
	words, err := open(r, c)
	if err != nil {
		return err
	}
	for _, w := range words {
		if err := after(w, before); err != nil {
			return refuse("%s: %w", r.Nodes[w.node].Name, err)
		}
	}
	return nil
}

// open decodes a certificate's reports without checking signatures.
func open(r *roster.Roster, c Certificate) ([]word, error) {
	if len(c.Reports) == 0 {
		return nil, refuse("it is empty")
	}
	if len(c.Reports) > len(r.Nodes) {
		return nil, refuse("%d reports of %d nodes", len(c.Reports), len(r.Nodes))
	}
	bytes := 0
	words := make([]word, len(c.Reports))
	for i, raw := range c.Reports {
		if bytes += len(raw); bytes > MaxCertificate {
			return nil, refuse("more than %d bytes", MaxCertificate)
		}
		e, err := report.Parse(raw)
		if err != nil {
			return nil, refuse("%w", err)
		}
		rep, err := report.Open(e)
		if err != nil {
			return nil, refuse("%w", err)
		}
		words[i] = word{node: r.NodeIndex(e.Node), report: &rep, raw: raw}
		if words[i].node < 0 {
			return nil, refuse("%w", report.ErrUnknown)
		}
	}
	return words, nil
}

// echo returns what w says it has heard of a node.
func (w word) echo(node int) (report.Echo, bool) {
	for _, e := range w.report.Echo {
		if int(e.Node) == node {
			return e, true
		}
	}
	return report.Echo{}, false
}

// together checks that two reports were spoken at about the same time: each
// echoes a report of the other's speaker that is at most near away from it.
func together(a, b word, near uint64) error {
	for range 2 {
		e, ok := a.echo(b.node)
		switch {
		case !ok:
			return errors.New("no echo")
		case e.Boot != b.report.Boot:
			return errors.New("an echo of another start")
		case max(e.Seq, b.report.Seq)-min(e.Seq, b.report.Seq) > near:
			return fmt.Errorf("an echo %d reports away", max(e.Seq, b.report.Seq)-min(e.Seq, b.report.Seq))
		}
		a, b = b, a
	}
	return nil
}

// after checks that w was spoken after its speaker had heard what is in before.
func after(w word, before []word) error {
	for _, old := range before {
		e, ok := w.echo(old.node)
		if w.node == old.node {
			if w.report.Boot < old.report.Boot || w.report.Boot == old.report.Boot && w.report.Seq <= old.report.Seq {
				return errors.New("not newer than its own report there")
			}
			continue
		}
		if ok && (e.Boot < old.report.Boot || e.Boot == old.report.Boot && e.Seq < old.report.Seq) {
			return errors.New("spoken before what it should follow")
		}
	}
	return nil
}
