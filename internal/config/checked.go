package config

import "fmt"

// Checked is what a check of a file that is right found.
type Checked struct {
	Kind     Kind
	Facts    []string // what it makes of the file, one sentence each
	Warnings Problems
}

// Check recognises a file by its content and loads it. The error is Problems,
// or of the operating system.
func Check(path string, o Options) (Checked, error) {
	kind, err := Recognise(path)
	if err != nil {
		return Checked{}, err
	}
	c := Checked{Kind: kind}
	switch kind {
	case KindRoster:
		r, warnings, err := LoadRoster(path)
		if err != nil {
			return c, err
		}
		c.Warnings = warnings
		c.Facts = append(c.Facts, fmt.Sprintf("roster of %s, hash %x: %s, %s, %s", r.Cluster, r.Hash(),
			count(len(r.Regions), "region"), count(len(r.Services), "service"), count(len(r.Nodes), "node")))
		for _, s := range r.Services {
			n := len(r.Voters(s.Name))
			c.Facts = append(c.Facts, fmt.Sprintf("%s: quorum %d of %s", s.Name, n/2+1, count(n, "region")))
		}
	case KindAgent:
		a, err := LoadAgent(path, o)
		if err != nil {
			return c, err
		}
		c.Warnings = a.Warnings
		c.Facts = append(c.Facts, fmt.Sprintf("agent %s of region %s: %s, %s, %s", a.Node, a.Self.Region,
			count(len(a.Routes), "route"), mailboxes(len(a.Mailboxes)), count(len(a.Controls), "control")))
		for _, b := range a.Budgets() {
			c.Facts = append(c.Facts, b.String())
		}
	case KindCoordinator:
		k, err := LoadCoordinator(path, o)
		if err != nil {
			return c, err
		}
		c.Warnings = k.Warnings
		c.Facts = append(c.Facts, fmt.Sprintf("coordinator %s, one of %d in the roster", k.Node, len(k.Members.Coordinators())))
	}
	return c, nil
}

func mailboxes(n int) string {
	if n == 1 {
		return "1 mailbox"
	}
	return fmt.Sprintf("%d mailboxes", n)
}
