package config

import (
	"fmt"
	"net"
	"strings"
)

// controls checks that the controls can tell this region's network from the
// provider.
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
