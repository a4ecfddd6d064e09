package config

import (
	"net"

	"mailquorum/internal/roster"
)

// coordinator checks a coordinator's configuration and fills in its defaults.
func (l *loader) coordinator(c *Coordinator) {
	l.identity(&c.Loaded, c.Node, c.Roster, &c.Key, roster.Coordinator)
	l.state(&c.State)
	l.d.mesh(&c.Mesh, c.Self)
	l.d.log(&c.Log)
	if c.HTTP.Listen == "" {
		c.HTTP.Listen = "127.0.0.1:9310"
	} else {
		l.d.listen("http.listen", c.HTTP.Listen)
	}
	l.d.apart(c.HTTP.Listen, c.Mesh.Listen)
	if c.HTTP.URL == "" {
		c.HTTP.URL = "http://" + c.HTTP.Listen
		if host, port, err := net.SplitHostPort(c.HTTP.Listen); err == nil && host == "" {
			c.HTTP.URL = "http://" + net.JoinHostPort("localhost", port)
		}
	} else {
		l.d.webURL("http.url", c.HTTP.URL, "https", "http")
	}
	if c.PagerDuty == nil {
		l.d.warn("pagerduty", "there is no pagerduty section: incidents are kept and shown, and nobody is paged")
		return
	}
	p := c.PagerDuty
	l.secret("pagerduty.routing_key", &p.RoutingKey, true)
	if !p.RoutingKey.Empty() && len(p.RoutingKey.Reveal()) != 32 {
		l.d.bad("pagerduty.routing_key", "the content of %s is no integration key: want 32 characters, as the page of the Events API v2 integration shows them", p.RoutingKey.Ref)
	}
	oneOf(l.d, "pagerduty.severity", &p.Severity, "critical", "critical", "error", "warning", "info")
	if p.URL == "" {
		p.URL = "https://events.pagerduty.com"
		return
	}
	u := l.d.webURL("pagerduty.url", p.URL, "https", "http")
	switch {
	case u == nil:
	case u.Path != "" || u.RawQuery != "":
		l.d.bad("pagerduty.url", "%s: want only scheme and host, /v2/enqueue is added", quote(p.URL))
	case u.Scheme == "http" && !loopback(u.Hostname()):
		l.d.bad("pagerduty.url", "%s would send the routing key in clear: want https://, or http:// to this host", quote(p.URL))
	}
}
