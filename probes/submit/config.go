package submit

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"mailquorum/internal/secret"
	"mailquorum/probes"
)

// DialFunc opens a connection; address is host:port, the host a name or an
// address. It must return when ctx ends.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// TLSMode says how a connection becomes secret.
type TLSMode string

// The TLS modes.
const (
	Implicit TLSMode = "implicit" // TLS from the first byte: port 465, advised (RFC 8314)
	STARTTLS TLSMode = "starttls" // upgrade before anything else is said: port 587; a server without STARTTLS is a failure
	Plain    TLSMode = "plain"    // no TLS: for a relay on the own machine, or to watch an MX as strangers meet it
)

// The SASL mechanisms.
const (
	MechanismPlain = "plain" // RFC 4616
	MechanismLogin = "login" // obsolete, for servers that know nothing else

	MechanismXOAUTH2     = "xoauth2"     // Google's, and Microsoft's only one
	MechanismOAUTHBEARER = "oauthbearer" // RFC 7628
)

// DefaultTimeout is the budget of a submission without Config.Timeout.
const DefaultTimeout = 30 * time.Second

// TokenSource yields the OAuth 2 access tokens of an account; token.Source is
// one. Both methods may be called from several goroutines.
type TokenSource interface {
	// Token returns a valid token; it blocks until there is one or ctx ends. An
	// error is ours, not the provider's: a *token.Error says more.
	Token(ctx context.Context) (secret.Secret, error)
	// Reject says that the server refused the token; again tells whether the next
	// one may fare better.
	Reject(token secret.Secret) (again bool)
}

// Config is how to reach a provider's submission server.
type Config struct {
	Address string  // host:port
	Domain  string  // in place of Address: submit to this domain's mail exchangers, as strangers do, without a login
	TLS     TLSMode // no default: it must be said; with Domain starttls or plain

	// TLSConfig may name RootCAs, Certificates, ServerName (default: the host of
	// Address), MinVersion (1.2 at least) and Time; no other field is used, so
	// that no configuration can turn the verification off.
	TLSConfig *tls.Config

	Username  string        // empty: no authentication
	Password  secret.Secret // sent only under TLS, or with AllowPlainAuth
	Tokens    TokenSource   // in place of a password
	Mechanism string        // plain, login, xoauth2 or oauthbearer; empty: what the server offers, of each pair the first

	// AllowPlainAuth permits to send password or token in clear text when TLS is plain.
	// Only a connection that never leaves the machine deserves it.
	AllowPlainAuth bool

	From  string // envelope sender: probes.ValidAddress
	To    string // envelope recipient
	Hello string // name said in EHLO; empty: the domain of From

	Dial DialFunc // nil: the system's

	// Resolver resolves Address's host, or Domain; its time is the stage resolve.
	// nil: the system's if Dial is nil too or there is a Domain; else Dial gets the
	// name as it is, and there is no stage resolve.
	Resolver Resolver

	Timeout time.Duration // for the whole submission; 0: DefaultTimeout
}

// Validate returns everything that is wrong with the configuration, joined.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	host, port, err := net.SplitHostPort(c.Address)
	if c.Domain != "" {
		switch {
		case c.Address != "":
			bad("domain: there is an address as well")
		case !probes.ValidHost(c.Domain):
			bad("domain: %q is no domain", probes.Clean(c.Domain))
		case c.TLS == Implicit:
			bad("tls: mail exchangers have no implicit TLS: want starttls or plain")
		case c.Username != "":
			bad("username: mail exchangers take no login")
		}
	} else if err != nil || port == "" {
		bad("address: %q: want host:port", probes.Clean(c.Address))
	} else if !probes.ValidHost(host) && net.ParseIP(host) == nil {
		bad("address: %q is no host name and no IP address", probes.Clean(host))
	}
	switch c.TLS {
	case Implicit, STARTTLS, Plain:
	default:
		bad("tls: %q: want implicit, starttls or plain", probes.Clean(string(c.TLS)))
	}
	switch c.Mechanism {
	case "":
	case MechanismPlain, MechanismLogin:
		if c.Tokens != nil {
			bad("mechanism: %s takes a password, no token", c.Mechanism)
		}
	case MechanismXOAUTH2, MechanismOAUTHBEARER:
		if c.Tokens == nil {
			bad("mechanism: %s needs a token", c.Mechanism)
		}
	default:
		bad("mechanism: %q: want plain, login, xoauth2 or oauthbearer", probes.Clean(c.Mechanism))
	}
	switch {
	case c.Username == "":
	case c.Tokens != nil && !c.Password.Empty():
		bad("password: there is a token source as well")
	case c.Tokens == nil && c.Password.Empty():
		bad("password: missing although there is a username")
	}
	if strings.ContainsAny(c.Username, "\x00\x01\r\n") || strings.ContainsAny(c.Password.Reveal(), "\x00\r\n") {
		bad("username or password: holds a line end or a zero byte")
	}
	if c.Username != "" && c.TLS == Plain && !c.AllowPlainAuth {
		bad("tls: plain would send the password in clear text: use implicit or starttls, or say so explicitly")
	}
	if !probes.ValidAddress(c.From) {
		bad("from: %q is no plain mail address", probes.Clean(c.From))
	}
	if !probes.ValidAddress(c.To) {
		bad("to: %q is no plain mail address", probes.Clean(c.To))
	}
	if c.Hello != "" && !probes.ValidHost(c.Hello) {
		bad("hello: %q is no host name", probes.Clean(c.Hello))
	}
	if c.Timeout < 0 {
		bad("timeout: %v is negative", c.Timeout)
	}
	return errors.Join(errs...)
}

func (c Config) hello() string {
	if c.Hello != "" {
		return c.Hello
	}
	_, domain, _ := strings.Cut(c.From, "@")
	return domain
}

func (c Config) timeout() time.Duration {
	if c.Timeout == 0 {
		return DefaultTimeout
	}
	return c.Timeout
}

// tls is the configuration of a handshake with host: a new one, made of the
// fields that a caller may set.
func (c Config) tls(host string) *tls.Config {
	out := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if in := c.TLSConfig; in != nil {
		out.RootCAs, out.Certificates, out.Time = in.RootCAs, in.Certificates, in.Time
		out.MinVersion = max(out.MinVersion, in.MinVersion)
		if in.ServerName != "" {
			out.ServerName = in.ServerName
		}
	}
	return out
}
