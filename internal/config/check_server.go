package config

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
)

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

// noPasswords warns of servers that take no password at all.
func (l *loader) noPasswords(at, host, source string) {
	if source == "" && slices.Contains([]string{"outlook.office365.com", "smtp.office365.com", "smtp-mail.outlook.com"}, strings.ToLower(host)) {
		l.d.warn(at+".address", "%s takes OAuth in place of passwords for IMAP, and soon for SMTP: a password will be refused unless the tenant still allows it", host)
	}
}
