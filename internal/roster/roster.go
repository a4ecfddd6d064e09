// Package roster says who takes part: the regions that vote, the nodes that
// speak for them with their public keys, and the services voted on. It is the
// denominator of every quorum: never who happens to be alive.
package roster

import (
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
)

// Roster is the configured membership. All nodes of a cluster have the same one;
// reports carry its hash, and those of another roster are not counted.
type Roster struct {
	Cluster  string    `yaml:"cluster" json:"cluster"`                   // name of this monitor, part of every paging key
	Version  uint64    `yaml:"version,omitempty" json:"version"`         // raised by the operator with each change
	Regions  []Region  `yaml:"regions" json:"regions"`                   // the vantage points
	Services []Service `yaml:"services" json:"services"`                 // what is voted on
	Nodes    []Node    `yaml:"nodes" json:"nodes"`                       // agents and coordinators
	Timing   Timing    `yaml:"timing,omitempty" json:"timing,omitempty"` // time constants, all with defaults
}

// Region is a vantage point. Regions vote, agents do not.
type Region struct {
	Name   string `yaml:"name" json:"name"`                         // 1 to 32 characters of a-z, 0-9, '.' and '-'
	Domain string `yaml:"domain,omitempty" json:"domain,omitempty"` // failure domain (cloud, network); default: the region's name
}

// Combine says when a region is down for a service of several routes.
type Combine string

// The ways to combine the routes of a service.
const (
	Any Combine = "any" // down when one route is down (default)
	All Combine = "all" // down when all routes are down
)

// Service is a named set of routes that should fail together.
type Service struct {
	Name     string   `yaml:"name" json:"name"`                           // what routes refer to, part of every paging key: 1 to 32 characters of a-z, 0-9, '.' and '-'
	Provider string   `yaml:"provider" json:"provider"`                   // groups services on pages and in the SLA account
	Regions  []string `yaml:"regions,omitempty" json:"regions,omitempty"` // who votes on it; default: all regions
	Combine  Combine  `yaml:"combine,omitempty" json:"combine,omitempty"` // any (default) or all
}

// Role is what a node does.
type Role string

// The roles of a node.
const (
	Agent       Role = "agent"
	Coordinator Role = "coordinator"
)

// Node is one daemon.
type Node struct {
	Name        string    `yaml:"name" json:"name"`                                   // what its configuration calls it: 1 to 32 characters of a-z, 0-9, '.' and '-'
	Role        Role      `yaml:"role" json:"role"`                                   // agent or coordinator
	Region      string    `yaml:"region" json:"region"`                               // where it runs, and for an agent: whom it votes for
	Key         PublicKey `yaml:"key" json:"key"`                                     // printed by `mailquorum key generate`
	Address     string    `yaml:"address" json:"address"`                             // host:port of its mesh port, as the others reach it
	Credentials string    `yaml:"credentials,omitempty" json:"credentials,omitempty"` // credential domain: agents that share accounts or tokens share it
}

// nameRule keeps names safe in keys, labels, headers and addresses.
var nameRule = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,30}[a-z0-9])?$`)

// ValidName reports whether s can name a cluster, region, service or node:
// 1 to 32 characters of a-z, 0-9, dot and hyphen, first and last alphanumeric.
func ValidName(s string) bool { return nameRule.MatchString(s) }

// Problem is one fault of a roster. Path is where, in YAML terms: "nodes[2].key".
type Problem struct {
	Path string
	Text string
}

func (p Problem) Error() string { return p.Path + ": " + p.Text }

// Validate returns every fault of the roster, as Problems joined by errors.Join.
func (r *Roster) Validate() error {
	var errs []error
	bad := func(path, format string, args ...any) {
		errs = append(errs, Problem{path, fmt.Sprintf(format, args...)})
	}
	const rule = "want 1 to 32 characters of a-z, 0-9, '.' and '-', first and last alphanumeric"
	if !ValidName(r.Cluster) {
		bad("cluster", "%q is no name: %s", r.Cluster, rule)
	}
	seen := map[string]bool{}
	name := func(path, kind, n string) {
		if !ValidName(n) {
			bad(path, "%q is no name: %s", n, rule)
		}
		if seen[kind+n] {
			bad(path, "there are two %ss named %q", kind, n)
		}
		seen[kind+n] = true
	}
	if len(r.Regions) == 0 {
		bad("regions", "at least one region is needed; 5 are advised (quorum 3)")
	}
	for i, g := range r.Regions {
		name(fmt.Sprintf("regions[%d].name", i), "region", g.Name)
		if g.Domain != "" && !ValidName(g.Domain) {
			bad(fmt.Sprintf("regions[%d].domain", i), "%q is no name: %s", g.Domain, rule)
		}
	}
	if len(r.Services) == 0 {
		bad("services", "at least one service is needed")
	}
	for i, s := range r.Services {
		at := fmt.Sprintf("services[%d]", i)
		name(at+".name", "service", s.Name)
		if !ValidName(s.Provider) {
			bad(at+".provider", "%q is no name: %s", s.Provider, rule)
		}
		if s.Combine != "" && s.Combine != Any && s.Combine != All {
			bad(at+".combine", "%q: want any or all", s.Combine)
		}
		for j, g := range s.Regions {
			if !seen["region"+g] {
				bad(fmt.Sprintf("%s.regions[%d]", at, j), "no region is named %q", g)
			}
			if slices.Contains(s.Regions[:j], g) {
				bad(fmt.Sprintf("%s.regions[%d]", at, j), "region %q stands here twice", g)
			}
		}
	}
	keys := map[string]string{}
	for i, n := range r.Nodes {
		at := fmt.Sprintf("nodes[%d]", i)
		name(at+".name", "node", n.Name)
		if n.Role != Agent && n.Role != Coordinator {
			bad(at+".role", "%q: want agent or coordinator", n.Role)
		}
		if !seen["region"+n.Region] {
			bad(at+".region", "no region is named %q", n.Region)
		}
		if len(n.Key) != ed25519.PublicKeySize {
			bad(at+".key", "missing: put the public key here that `mailquorum key generate` printed")
		} else if other, dup := keys[string(n.Key)]; dup {
			bad(at+".key", "is the key of node %q as well: each node needs its own", other)
		} else {
			keys[string(n.Key)] = n.Name
		}
		if n.Credentials != "" && !ValidName(n.Credentials) {
			bad(at+".credentials", "%q is no name: %s", n.Credentials, rule)
		}
		if _, _, err := net.SplitHostPort(n.Address); err != nil {
			bad(at+".address", "%q: want host:port of the mesh port", n.Address)
		}
	}
	r.Timing.validate(bad)
	return errors.Join(errs...)
}

// Hash identifies the roster's content. Two rosters with one hash are equal
// once defaults are applied.
func (r *Roster) Hash() [8]byte {
	c := *r
	c.Timing = c.Timing.WithDefaults()
	c.Regions, c.Services = slices.Clone(r.Regions), slices.Clone(r.Services)
	for i, g := range c.Regions {
		c.Regions[i].Domain = g.FailureDomain()
	}
	for i := range c.Services {
		s := &c.Services[i]
		s.Combine = cmp.Or(s.Combine, Any)
		voters := r.Voters(s.Name)
		s.Regions = make([]string, len(voters))
		for j, g := range voters {
			s.Regions[j] = g.Name
		}
	}
	b, err := json.Marshal(&c)
	if err != nil {
		panic("roster: " + err.Error()) // plain data only
	}
	sum := sha256.Sum256(b)
	return [8]byte(sum[:8])
}

// Node returns the node of that name.
func (r *Roster) Node(name string) (Node, bool) {
	if i := r.NodeIndex(name); i >= 0 {
		return r.Nodes[i], true
	}
	return Node{}, false
}

// NodeIndex returns the node's place in Nodes, or -1.
func (r *Roster) NodeIndex(name string) int {
	return slices.IndexFunc(r.Nodes, func(n Node) bool { return n.Name == name })
}

// Service returns the service of that name.
func (r *Roster) Service(name string) (Service, bool) {
	if i := r.ServiceIndex(name); i >= 0 {
		return r.Services[i], true
	}
	return Service{}, false
}

// ServiceIndex returns the service's place in Services, or -1.
func (r *Roster) ServiceIndex(name string) int {
	return slices.IndexFunc(r.Services, func(s Service) bool { return s.Name == name })
}

// Voters returns the regions that vote on the service, in roster order: N of
// every quorum is their number.
func (r *Roster) Voters(service string) []Region {
	s, ok := r.Service(service)
	if !ok {
		return nil
	}
	var out []Region
	for _, g := range r.Regions {
		if len(s.Regions) == 0 || slices.Contains(s.Regions, g.Name) {
			out = append(out, g)
		}
	}
	return out
}

// Agents returns the agents of a region, in roster order.
func (r *Roster) Agents(region string) []Node {
	var out []Node
	for _, n := range r.Nodes {
		if n.Role == Agent && n.Region == region {
			out = append(out, n)
		}
	}
	return out
}

// Coordinators returns the coordinators, in roster order.
func (r *Roster) Coordinators() []Node {
	var out []Node
	for _, n := range r.Nodes {
		if n.Role == Coordinator {
			out = append(out, n)
		}
	}
	return out
}

// FailureDomain returns the region's failure domain.
func (g Region) FailureDomain() string {
	if g.Domain != "" {
		return g.Domain
	}
	return g.Name
}

// Quorum is the number of regions out of n that decide: n/2 + 1.
func Quorum(n int) int { return n/2 + 1 }
