package config

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"mailquorum/internal/roster"
)

// agent checks an agent's configuration and fills in its defaults.
func (l *loader) agent(a *Agent) {
	known := l.identity(&a.Loaded, a.Node, a.Roster, &a.Key, roster.Agent)
	l.state(&a.State)
	l.d.mesh(&a.Mesh, a.Self)
	l.d.log(&a.Log)
	if a.HTTP.Listen == "" {
		a.HTTP.Listen = "127.0.0.1:9311"
	} else {
		l.d.listen("http.listen", a.HTTP.Listen)
	}
	l.d.apart(a.HTTP.Listen, a.Mesh.Listen)
	if len(a.Mailboxes) == 0 {
		l.d.bad("mailboxes", "mailboxes is missing: at least one account in which canaries arrive")
	}
	l.sources(a)
	boxes := map[string]bool{}
	for i := range a.Mailboxes {
		l.mailbox(fmt.Sprintf("mailboxes[%d]", i), &a.Mailboxes[i], boxes)
	}
	if len(a.Routes) == 0 {
		l.d.bad("routes", "routes is missing: at least one path of mail to watch")
	}
	routes, used := map[string]bool{}, map[string]bool{}
	for i := range a.Routes {
		at, r := fmt.Sprintf("routes[%d]", i), &a.Routes[i]
		l.route(at, r, routes, a.Members)
		used[r.Mailbox] = true
		if r.Mailbox == "" {
			l.d.missing(at + ".mailbox")
		} else if !boxes[r.Mailbox] {
			l.d.bad(at+".mailbox", "there is no mailbox %s in this file", quote(r.Mailbox))
		}
		if known {
			l.votes(at, r, a)
		}
	}
	for i, m := range a.Mailboxes {
		if m.Name != "" && !used[m.Name] {
			l.d.warn(fmt.Sprintf("mailboxes[%d].name", i), "no route ends in mailbox %s: it is not watched", m.Name)
		}
	}
	l.controls(a)
	if known {
		l.coverage(a)
		l.quotas(a)
	}
}

// votes checks that the region has a vote on the route's service.
func (l *loader) votes(at string, r *Route, a *Agent) {
	s, ok := a.Members.Service(r.Service)
	if r.Service == "" {
		return
	}
	if !ok {
		var names []string
		for _, s := range a.Members.Services {
			names = append(names, s.Name)
		}
		l.d.bad(at+".service", "the roster has no service %s: it has %s", quote(r.Service), clip(strings.Join(names, ", "), 200))
		return
	}
	if len(s.Regions) > 0 && !slices.Contains(s.Regions, a.Self.Region) {
		l.d.bad(at+".service", "region %s has no vote on %s: the roster gives it to %s", a.Self.Region, r.Service, strings.Join(s.Regions, ", "))
	}
}

// coverage warns of services on which the region votes and has no route.
func (l *loader) coverage(a *Agent) {
	for _, s := range a.Members.Services {
		if len(s.Regions) > 0 && !slices.Contains(s.Regions, a.Self.Region) {
			continue
		}
		if !slices.ContainsFunc(a.Routes, func(r Route) bool { return r.Service == s.Name }) {
			l.d.warn("routes", "region %s has a vote on %s, and this agent has no route of it: it is silent there", a.Self.Region, s.Name)
		}
	}
}

func (l *loader) mailbox(at string, m *Mailbox, seen map[string]bool) {
	l.d.name(at+".name", "mailboxes", m.Name, seen)
	host, port := l.d.address(at+".address", m.Address)
	if m.Username == "" {
		l.d.missing(at + ".username")
	}
	l.login(at, m.OAuth, &m.Password, &m.Mechanism)
	m.TLSConfig = l.tls(at, &m.TLS, host, m.ServerName, m.CAFile)
	l.plain(at, m.TLS, m.AllowPlainAuth, host, true)
	if m.TLS == Implicit && port == 143 {
		l.d.warn(at+".address", "port 143 usually speaks starttls, and this says implicit")
	}
	if m.Folder == "" {
		m.Folder = "INBOX"
	}
	if m.Junk != "" && m.Junk == m.Folder {
		l.d.bad(at+".junk", "is the same folder as folder: then every canary would be junk")
	}
	if m.Keep > 168*time.Hour {
		l.d.bad(at+".keep", "%s is longer than 168h (7 days)", short(m.Keep))
	}
	l.noPasswords(at, host, m.OAuth)
}

func (l *loader) route(at string, r *Route, seen map[string]bool, members *roster.Roster) {
	l.d.name(at+".name", "routes", r.Name, seen)
	if r.Service == "" {
		l.d.missing(at + ".service")
	}
	l.d.mailAddress(at+".to", r.To)
	s, sub := &r.Submit, at+".submit"
	if l.d.at[sub] == (place{}) {
		l.d.missing(sub)
		return
	}
	host, port := "", 0
	if s.MX == "" {
		host, port = l.d.address(sub+".address", s.Address)
	} else {
		l.exchangers(sub, r)
	}
	s.TLSConfig = l.tls(sub, &s.TLS, host, s.ServerName, s.CAFile)
	l.plain(sub, s.TLS, s.AllowPlainAuth, host, s.Username != "")
	if s.TLS == Implicit && (port == 25 || port == 587) {
		l.d.warn(sub+".address", "port %d usually speaks starttls, and this says implicit", port)
	}
	switch {
	case s.Username == "" && s.Password.Set():
		l.d.bad(sub+".password", "a password without a username")
	case s.Username == "" && s.OAuth != "":
		l.d.bad(sub+".oauth", "tokens without a username")
	case s.Username == "" && s.Mechanism != "":
		l.d.bad(sub+".mechanism", "a mechanism without a username")
	case s.Username != "":
		l.login(sub, s.OAuth, &s.Password, &s.Mechanism)
	}
	if s.From == "" && validMail(s.Username) {
		s.From = s.Username
	}
	l.d.mailAddress(sub+".from", s.From)
	if s.Hello == "" {
		if name, err := os.Hostname(); err == nil && strings.Contains(name, ".") && validHost(name) {
			s.Hello = name
		} else {
			s.Hello = s.From[strings.LastIndex(s.From, "@")+1:]
		}
	} else if !validHost(strings.Trim(s.Hello, "[]")) {
		l.d.bad(sub+".hello", "%s is no host name", quote(s.Hello))
	}
	interval := time.Minute
	if members != nil {
		interval = members.Timing.WithDefaults().Interval
	}
	if s.Reuse && interval > keptFor {
		l.d.warn(sub+".reuse", "a connection is kept for %s, and the roster's interval is %s: each canary has its own anyway", short(keptFor), short(interval))
	}
	switch {
	case s.Timeout == 0:
		s.Timeout = min(30*time.Second, interval/2)
	case s.Timeout >= interval:
		l.d.bad(sub+".timeout", "%s is not shorter than the roster's interval, %s", short(s.Timeout), short(interval))
	}
	l.noPasswords(sub, host, s.OAuth)
}
