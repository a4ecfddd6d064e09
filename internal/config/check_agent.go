package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
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
	if len(a.Mailboxes) == 0 {
		l.d.bad("mailboxes", "mailboxes is missing: at least one account in which canaries arrive")
	}
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
	l.secret(at+".password", &m.Password, true)
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
	l.oauth(at, host)
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
	host, port := l.d.address(sub+".address", s.Address)
	s.TLSConfig = l.tls(sub, &s.TLS, host, s.ServerName, s.CAFile)
	l.plain(sub, s.TLS, s.AllowPlainAuth, host, s.Username != "")
	if s.TLS == Implicit && (port == 25 || port == 587) {
		l.d.warn(sub+".address", "port %d usually speaks starttls, and this says implicit", port)
	}
	oneOf(l.d, sub+".mechanism", &s.Mechanism, "", AuthPlain, AuthLogin)
	switch {
	case s.Username == "" && s.Password.Set():
		l.d.bad(sub+".password", "a password without a username")
	case s.Username == "" && s.Mechanism != "":
		l.d.bad(sub+".mechanism", "a mechanism without a username")
	case s.Username != "":
		l.secret(sub+".password", &s.Password, true)
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
	switch {
	case s.Timeout == 0:
		s.Timeout = min(30*time.Second, interval/2)
	case s.Timeout >= interval:
		l.d.bad(sub+".timeout", "%s is not shorter than the roster's interval, %s", short(s.Timeout), short(interval))
	}
	l.oauth(sub, host)
}

// plain checks that no password goes to another host in clear unless the
// configuration says so.
func (l *loader) plain(at string, mode TLSMode, allowed bool, host string, password bool) {
	switch {
	case allowed && mode != Plain:
		l.d.bad(at+".allow_plain_auth", "says nothing beside tls: %s", mode)
	case mode == Plain && password && !allowed && host != "" && !loopback(host):
		l.d.bad(at+".tls", "plain would send the password to %s in clear: use implicit or starttls, or say allow_plain_auth: true", host)
	case allowed && password:
		l.d.warn(at+".allow_plain_auth", "the password goes to %s in clear", host)
	}
}

// tls checks the fields about TLS and makes the client's configuration.
func (l *loader) tls(at string, mode *TLSMode, host, serverName, caFile string) *tls.Config {
	oneOf(l.d, at+".tls", mode, Implicit, Implicit, StartTLS, Plain)
	if serverName != "" && !validHost(serverName) {
		l.d.bad(at+".server_name", "%s is no host name", quote(serverName))
	}
	if *mode == Plain {
		if caFile != "" {
			l.d.bad(at+".ca_file", "says nothing beside tls: plain")
		}
		if serverName != "" {
			l.d.bad(at+".server_name", "says nothing beside tls: plain")
		}
		return nil
	}
	c := &tls.Config{ServerName: serverName, MinVersion: tls.VersionTLS12}
	if serverName == "" {
		c.ServerName = strings.TrimSuffix(host, ".")
	}
	if caFile == "" {
		return c
	}
	pem, _, err := readRegular(l.path(caFile), MaxSize)
	if err != nil {
		l.d.bad(at+".ca_file", "reading certificates: %s", err)
		return c
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		l.d.bad(at+".ca_file", "%s holds no PEM certificate", quote(caFile))
	}
	return c
}

// oauth warns of servers that take no password at all.
func (l *loader) oauth(at, host string) {
	if slices.Contains([]string{"outlook.office365.com", "smtp.office365.com", "smtp-mail.outlook.com"}, strings.ToLower(host)) {
		l.d.warn(at+".address", "%s takes OAuth in place of passwords for IMAP, and soon for SMTP: a password will be refused unless the tenant still allows it", host)
	}
}

func (l *loader) controls(a *Agent) {
	seen, hosts, targets := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, m := range a.Mailboxes {
		hosts[hostOf(m.Address)] = true
	}
	for _, r := range a.Routes {
		hosts[hostOf(r.Submit.Address)] = true
	}
	for i, c := range a.Controls {
		at := fmt.Sprintf("controls[%d]", i)
		l.d.name(at+".name", "controls", c.Name, seen)
		set := 0
		for _, s := range []string{c.TLS, c.HTTPS, c.DNS} {
			if s != "" {
				set++
			}
		}
		if set != 1 {
			l.d.bad(at, "want exactly one of tls, https and dns, not %d", set)
			continue
		}
		var host, field string
		switch {
		case c.TLS != "":
			field = ".tls"
			host, _ = l.d.address(at+field, c.TLS)
		case c.DNS != "":
			field = ".dns"
			host, _ = l.d.address(at+field, c.DNS)
		default:
			field = ".https"
			if u := l.d.webURL(at+field, c.HTTPS, "https"); u != nil {
				host = u.Hostname()
			}
		}
		switch {
		case host == "":
		case hosts[strings.ToLower(host)]:
			l.d.warn(at+field, "%s is a server of a route: a control must work when the provider does not", host)
		case targets[host]:
			l.d.warn(at+field, "%s is a control already: take another network", host)
		case loopback(host):
			l.d.warn(at+field, "%s is this host: a control tells whether the network works", host)
		}
		targets[host] = true
	}
	if n := len(a.Controls); n < 3 {
		l.d.warn("controls", "%s: at least three, in three networks, are needed to tell a fault of this region's network from one of the provider", count(n, "control"))
	}
}

// hostOf is the host of a host:port, lower case.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(host)
}
