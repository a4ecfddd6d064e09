package config

import (
	"net/netip"
	"strings"
	"time"
)

// keptFor is how long a connection that is idle is kept.
const keptFor = 4 * time.Minute

// exchangers checks what a route says that submits to a domain's mail exchangers.
func (l *loader) exchangers(at string, r *Route) {
	s := &r.Submit
	if _, err := netip.ParseAddr(s.MX); err == nil || !validHost(s.MX) || strings.HasSuffix(s.MX, ".") {
		l.d.bad(at+".mx", "%s is no domain", quote(s.MX))
	}
	if s.TLS == "" {
		s.TLS = StartTLS
	}
	if s.TLS == Implicit {
		l.d.bad(at+".tls", "mail exchangers have no implicit TLS: starttls or plain")
	}
	for _, f := range []struct {
		field string
		said  bool
	}{
		{"address", s.Address != ""}, {"server_name", s.ServerName != ""}, {"username", s.Username != ""}, {"password", s.Password.Set()},
		{"oauth", s.OAuth != ""}, {"mechanism", s.Mechanism != ""}, {"allow_plain_auth", s.AllowPlainAuth},
	} {
		if f.said {
			l.d.bad(at+"."+f.field, "says nothing beside mx: exchangers are looked up, and take no login")
		}
	}
	if _, domain, ok := strings.Cut(r.To, "@"); ok && s.MX != "" && !strings.EqualFold(domain, s.MX) {
		l.d.warn(at+".mx", "exchangers of %s may refuse mail to %s: they are no relay", s.MX, r.To)
	}
}
