package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mailquorum/internal/roster"
)

// Loaded is what loading adds to a daemon's configuration.
type Loaded struct {
	File     string            // path of the configuration file
	Members  *roster.Roster    // the roster
	Self     roster.Node       // this node in it
	Identity roster.PrivateKey // content of Key
	Warnings Problems          // what is allowed and yet unwise
}

// Options change how a configuration is loaded. The zero value is what daemons
// use.
type Options struct {
	// Getenv looks up environment variables. Nil: os.Getenv.
	Getenv func(string) string
	// WithoutSecrets leaves secrets and the private key unread: for checking a
	// file on another host than the one that it is for.
	WithoutSecrets bool
}

func (o Options) getenv(name string) string {
	if o.Getenv == nil {
		return os.Getenv(name)
	}
	return o.Getenv(name)
}

// Kind says what a file is the configuration of.
type Kind string

// The kinds of file.
const (
	KindAgent       Kind = "agent"
	KindCoordinator Kind = "coordinator"
	KindRoster      Kind = "roster"
)

// LoadAgent reads an agent's configuration with its roster and secrets. The
// error is Problems, or of the operating system.
func LoadAgent(path string, o Options) (*Agent, error) {
	d, err := readDocument(path)
	if err != nil {
		return nil, err
	}
	a := &Agent{Loaded: Loaded{File: path}}
	d.decode(a)
	l := &loader{d: d, o: o, dir: filepath.Dir(path)}
	l.agent(a)
	return a, l.finish(&a.Warnings)
}

// LoadCoordinator reads a coordinator's configuration with its roster and
// secrets. The error is Problems, or of the operating system.
func LoadCoordinator(path string, o Options) (*Coordinator, error) {
	d, err := readDocument(path)
	if err != nil {
		return nil, err
	}
	c := &Coordinator{Loaded: Loaded{File: path}}
	d.decode(c)
	l := &loader{d: d, o: o, dir: filepath.Dir(path)}
	l.coordinator(c)
	return c, l.finish(&c.Warnings)
}

// LoadRoster reads a roster and returns what is unwise about it. The error is
// Problems, or of the operating system.
func LoadRoster(path string) (*roster.Roster, Problems, error) {
	d, err := readDocument(path)
	if err != nil {
		return nil, nil, err
	}
	r := &roster.Roster{}
	d.decode(r)
	d.roster(r)
	if len(d.problems) > 0 {
		return nil, nil, sorted(d.problems)
	}
	return r, sorted(d.warnings), nil
}

// Recognise says what kind of configuration a file is, by its top-level fields.
func Recognise(path string) (Kind, error) {
	d, err := readDocument(path)
	if err != nil {
		return "", err
	}
	return d.kind(), nil
}

// loader loads a daemon's configuration.
type loader struct {
	d      *document
	o      Options
	dir    string          // relative paths are relative to it
	others Problems        // of the roster file
	tokens map[string]bool // names of the sources of tokens
	warned Problems
}

// finish returns all problems, those of the roster first. Where there are any,
// the warnings are left out: they may be but their consequence.
func (l *loader) finish(warnings *Problems) error {
	if all := append(l.others, sorted(l.d.problems)...); len(all) > 0 {
		return all
	}
	*warnings = append(l.warned, sorted(l.d.warnings)...)
	return nil
}

// path makes a path of the configuration absolute or relative to the working
// directory.
func (l *loader) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(l.dir, p)
}

// identity loads the roster and the private key, and finds the node in it. It
// reports whether there is a roster to check against.
func (l *loader) identity(to *Loaded, node, file string, key *Secret, want roster.Role) bool {
	if node == "" {
		l.d.bad("node", "node is missing: the name of this node in the roster")
	}
	l.secret("key", key, true)
	if file == "" {
		l.d.bad("roster", "roster is missing: the path of the roster file")
		return false
	}
	r, warnings, err := LoadRoster(l.path(file))
	l.warned = append(l.warned, warnings...)
	if ps := (Problems)(nil); errors.As(err, &ps) {
		l.others = append(l.others, ps...)
		l.d.broken["roster"] = true
		return false
	} else if err != nil {
		l.d.bad("roster", "%s", err)
		return false
	}
	to.Members = r
	if node == "" {
		return false
	}
	self, ok := r.Node(node)
	switch {
	case !ok:
		l.d.bad("node", "the roster has no node %s: %s", quote(node), namesOf(r, want))
		return false
	case self.Role != want:
		l.d.bad("node", "%s is %s in the roster, and this is the configuration of %s", node, article(self.Role), article(want))
		return false
	}
	to.Self = self
	if key.Empty() {
		return true
	}
	private, err := roster.ParsePrivateKey([]byte(key.Reveal()))
	if err != nil {
		l.d.bad("key", "%s holds something else: %s", key.Ref, err)
		return true
	}
	if mine := private.Public().String(); mine != self.Key.String() {
		l.d.bad("key", "%s is not the key of %s: its public key is %s, the roster has %s", key.Ref, node, mine, self.Key)
	}
	to.Identity = private
	return true
}

func article(r roster.Role) string {
	if r == roster.Agent {
		return "an agent"
	}
	return "a coordinator"
}

// namesOf lists the nodes of a role.
func namesOf(r *roster.Roster, role roster.Role) string {
	var names []string
	for _, n := range r.Nodes {
		if n.Role == role {
			names = append(names, n.Name)
		}
	}
	if len(names) == 0 {
		return fmt.Sprintf("it has no %s at all", role)
	}
	return fmt.Sprintf("its %ss are %s", role, clip(strings.Join(names, ", "), 200))
}

// secret reads one secret.
func (l *loader) secret(path string, s *Secret, required bool) {
	if !s.Set() {
		if required {
			l.d.bad(path, "%s is missing: file:/path, credential:NAME or env:NAME", path[strings.LastIndex(path, ".")+1:])
		}
		return
	}
	if l.o.WithoutSecrets || l.d.isBroken(path) {
		return
	}
	warning, err := s.read(l.dir, l.o.getenv)
	if err != nil {
		l.d.bad(path, "%s", err)
	}
	if warning != "" {
		l.d.warn(path, "%s", warning)
	}
}

// state fills in the default of the state directory.
func (l *loader) state(dir *string) {
	if *dir == "" {
		// systemd separates several directories by colons; the first is ours.
		*dir, _, _ = strings.Cut(l.o.getenv("STATE_DIRECTORY"), ":")
	}
	if *dir == "" {
		*dir = "/var/lib/mailquorum"
	}
	if !filepath.IsAbs(*dir) {
		*dir = l.path(*dir)
	}
}

// kind recognises the document.
func (d *document) kind() Kind {
	has := map[string]bool{}
	for _, key := range d.topLevel() {
		has[key] = true
	}
	switch {
	case has["mailboxes"] || has["routes"] || has["controls"]:
		return KindAgent
	case has["pagerduty"]:
		return KindCoordinator
	case has["regions"] || has["services"] || has["nodes"] || has["cluster"]:
		return KindRoster
	}
	return KindCoordinator
}
