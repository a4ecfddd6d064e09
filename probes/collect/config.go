package collect

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"mailquorum/internal/secret"
)

// TLSMode says how a connection is protected.
type TLSMode string

// The modes of protection.
const (
	Implicit TLSMode = "implicit" // TLS from the first byte (port 993), RFC 8314; the default
	STARTTLS TLSMode = "starttls" // upgrade enforced before anything else is said (port 143)
	Plain    TLSMode = "plain"    // no protection at all: password and mail in clear
)

// The mechanisms of logging in.
const (
	MechanismPlain = "plain" // SASL PLAIN, RFC 4616
	MechanismLogin = "login" // the LOGIN command, RFC 9051 section 6.2.3

	MechanismXOAUTH2     = "xoauth2"     // Google's, and Microsoft's
	MechanismOAUTHBEARER = "oauthbearer" // RFC 7628
)

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

// DialFunc opens a connection, as net.Dialer.DialContext does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Config is one mailbox that is watched. The zero value of a field means its
// default.
type Config struct {
	Name    string  // of the mailbox, in sightings and logs
	Address string  // host:port of the IMAP server
	TLS     TLSMode // default implicit
	// TLSConfig may name RootCAs, Certificates, ServerName (default: the host of
	// Address), MinVersion (1.2 at least) and Time; no other field is used, so
	// that no configuration can turn the verification off.
	TLSConfig *tls.Config
	Username  string
	Password  secret.Secret
	Tokens    TokenSource // in place of a password
	Mechanism string      // plain, login, xoauth2 or oauthbearer; empty: what the server offers, of each pair the first
	Folder    string      // that canaries arrive in; default INBOX
	// Junk is the folder of misjudged mail. Default: the one that the server
	// marks as \Junk (RFC 6154), then one with a usual name; without any, only
	// Folder is watched.
	Junk string
	// Keep is how long own canaries are kept after they were seen; default 0,
	// they are deleted at once.
	Keep time.Duration
	Dial DialFunc     // default a net.Dialer
	Log  *slog.Logger // default none

	// Watchdog bounds the wait for the server's answer to any one command, and
	// for a connection to be set up; default 30 s.
	Watchdog time.Duration
	// Poll is the least pause between two NOOPs while an arrival is expected;
	// default 25 ms. The pause grows by 4 % of the time waited, to 2 s.
	Poll time.Duration
	// Idle bounds how long the mailbox is left to IDLE until it is looked at
	// again, all folders and completely; default and most 5 min.
	Idle time.Duration
	// Backoff bounds the pause between two attempts to connect; default 30 s,
	// ten times that when the password was refused, lest the account be locked.
	Backoff time.Duration
}

const maxIdle = 5 * time.Minute

// withDefaults returns c with the default in place of each zero field, or what
// is wrong with it.
func (c Config) withDefaults() (Config, error) {
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		return c, fmt.Errorf("mailbox %q: address: %w", c.Name, err)
	}
	switch c.TLS {
	case "":
		c.TLS = Implicit
	case Implicit, STARTTLS, Plain:
	default:
		return c, fmt.Errorf("mailbox %q: tls: want implicit, starttls or plain, not %q", c.Name, c.TLS)
	}
	switch c.Mechanism {
	case "":
	case MechanismPlain, MechanismLogin:
		if c.Tokens != nil {
			return c, fmt.Errorf("mailbox %q: mechanism: %s takes a password, no token", c.Name, c.Mechanism)
		}
	case MechanismXOAUTH2, MechanismOAUTHBEARER:
		if c.Tokens == nil {
			return c, fmt.Errorf("mailbox %q: mechanism: %s needs a token", c.Name, c.Mechanism)
		}
	default:
		return c, fmt.Errorf("mailbox %q: mechanism: want plain, login, xoauth2 or oauthbearer, not %q", c.Name, c.Mechanism)
	}
	if strings.ContainsAny(c.Username, "\x00\r\n") || strings.ContainsAny(c.Password.Reveal(), "\x00\r\n") {
		return c, fmt.Errorf("mailbox %q: username or password: holds a line end or a zero byte", c.Name)
	}
	c.TLSConfig = secured(c.TLSConfig, host)
	if c.Folder == "" {
		c.Folder = "INBOX"
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Log = c.Log.With("mailbox", c.Name)
	orDefault(&c.Watchdog, 30*time.Second)
	orDefault(&c.Poll, 25*time.Millisecond)
	orDefault(&c.Idle, maxIdle)
	orDefault(&c.Backoff, 30*time.Second)
	c.Idle = min(c.Idle, maxIdle)
	return c, nil
}

// secured is the configuration of a handshake with host, made of the fields that
// a caller may set.
func secured(in *tls.Config, host string) *tls.Config {
	out := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if in != nil {
		out.RootCAs, out.Certificates, out.Time = in.RootCAs, in.Certificates, in.Time
		out.MinVersion = max(out.MinVersion, in.MinVersion)
		if in.ServerName != "" {
			out.ServerName = in.ServerName
		}
	}
	return out
}

func orDefault(d *time.Duration, def time.Duration) {
	if *d <= 0 {
		*d = def
	}
}
