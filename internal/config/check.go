package config

import (
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"mailquorum/internal/roster"
)

const nameRule = "want 1 to 32 characters of a-z, 0-9, '.' and '-', first and last alphanumeric"

// name checks a name that this file defines, and that it is there once.
func (d *document) name(path, kind, name string, seen map[string]bool) {
	switch {
	case name == "":
		d.missing(path)
	case !roster.ValidName(name):
		d.bad(path, "%s is no name: %s", quote(name), nameRule)
	case seen[name]:
		d.bad(path, "there are two %s named %s", kind, quote(name))
	}
	seen[name] = true
}

// missing records that a required field is not there.
func (d *document) missing(path string) {
	d.bad(path, "%s is missing", path[strings.LastIndex(path, ".")+1:])
}

// address checks a host:port, and returns its host.
func (d *document) address(path, address string) (host string, port int) {
	if address == "" {
		d.missing(path)
		return "", 0
	}
	host, p, err := net.SplitHostPort(address)
	if err != nil {
		d.bad(path, "%s: want host:port", quote(address))
		return "", 0
	}
	port, err = strconv.Atoi(p)
	switch {
	case err != nil || port < 1 || port > 65535:
		d.bad(path, "%s: want a port from 1 to 65535 behind the colon", quote(address))
	case host == "":
		d.bad(path, "%s: want a host before the colon", quote(address))
	case !validHost(host):
		d.bad(path, "%s: %s is no host name", quote(address), quote(host))
	}
	return host, port
}

// listen checks the address of a listener: the host may be absent, the port 0.
func (d *document) listen(path, address string) {
	host, p, err := net.SplitHostPort(address)
	if err != nil {
		d.bad(path, "%s: want host:port, or :port for all interfaces", quote(address))
		return
	}
	if port, err := strconv.Atoi(p); err != nil || port < 0 || port > 65535 {
		d.bad(path, "%s: want a port from 0 to 65535 behind the colon", quote(address))
	} else if host != "" && !validHost(host) {
		d.bad(path, "%s: %s is no host name", quote(address), quote(host))
	}
}

// validHost accepts IP addresses and names of letters, digits, hyphen,
// underscore and dot, 253 bytes at most (RFC 1035 section 2.3.4).
func validHost(h string) bool {
	if _, err := netip.ParseAddr(h); err == nil {
		return true
	}
	if h == "" || len(h) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(h, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
				return false
			}
		}
	}
	return true
}

// loopback reports whether the host is this one, by what is written: names are
// not resolved.
func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// Loopback reports whether the host of a host:port is this one: there a
// password may travel without TLS unasked.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && loopback(host)
}

// mailAddress checks a bare mail address.
func (d *document) mailAddress(path, address string) {
	if address == "" {
		d.missing(path)
		return
	}
	if !validMail(address) {
		d.bad(path, "%s is no mail address: want name@domain", quote(address))
	}
}

// validMail accepts what needs no quoting in a header or in SMTP.
func validMail(s string) bool {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || a.Name != "" || len(s) > 254 || strings.ContainsAny(s, "\"<>()[]\\,;: \t") {
		return false
	}
	_, domain, _ := strings.Cut(s, "@")
	for _, r := range s {
		if r > '~' {
			return false
		}
	}
	return validHost(domain)
}

// webURL checks an absolute URL of one of the schemes, without credentials.
func (d *document) webURL(path, s string, schemes ...string) *url.URL {
	u, err := url.Parse(s)
	switch {
	case err != nil || !slices.Contains(schemes, u.Scheme) || u.Host == "" || !validHost(u.Hostname()):
		d.bad(path, "%s: want an address that begins with %s://", quote(s), strings.Join(schemes, ":// or "))
	case u.User != nil:
		d.bad(path, "want a URL without user and password")
	case u.Fragment != "":
		d.bad(path, "%s: want a URL without #", quote(s))
	default:
		return u
	}
	return nil
}

// oneOf checks a word; empty becomes the default.
func oneOf[T ~string](d *document, path string, v *T, def T, words ...T) {
	if *v == "" {
		*v = def
		return
	}
	if slices.Contains(words, *v) {
		return
	}
	var list []string
	for _, w := range words {
		list = append(list, string(w))
	}
	hint := ""
	if near := nearest(strings.ToLower(string(*v)), list); near != "" {
		hint = fmt.Sprintf("; did you mean %s?", near)
	}
	d.bad(path, "%s: want %s or %s%s", quote(string(*v)), strings.Join(list[:len(list)-1], ", "), list[len(list)-1], hint)
	*v = def
}

// log checks the log section.
func (d *document) log(l *Log) {
	oneOf(d, "log.level", &l.Level, "info", "debug", "info", "warn", "error")
	oneOf(d, "log.format", &l.Format, "auto", "auto", "text", "json")
}

// apart checks that the two listeners do not want the same port.
func (d *document) apart(http, mesh string) {
	h, hp, err := net.SplitHostPort(http)
	if err != nil {
		return
	}
	m, mp, err := net.SplitHostPort(mesh)
	if err != nil || hp != mp || hp == "0" {
		return
	}
	if h == m || everywhere(h) || everywhere(m) {
		d.bad("http.listen", "%s is where the mesh listens (%s)", quote(http), mesh)
	}
}

// everywhere reports whether a listener's host stands for all interfaces.
func everywhere(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "" || err == nil && a.IsUnspecified()
}

// mesh checks the mesh section. The default needs the roster.
func (d *document) mesh(m *Mesh, self roster.Node) {
	if m.Listen == "" {
		if _, port, err := net.SplitHostPort(self.Address); err == nil {
			m.Listen = net.JoinHostPort("", port)
		}
		return
	}
	d.listen("mesh.listen", m.Listen)
}
