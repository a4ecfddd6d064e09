package collect

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
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

// The mechanisms of logging in. An empty Mechanism chooses AUTHENTICATE PLAIN
// where the server offers it, else LOGIN.
const (
	MechanismPlain = "plain" // SASL PLAIN, RFC 4616
	MechanismLogin = "login" // the LOGIN command, RFC 9051 section 6.2.3
)

// DialFunc opens a connection, as net.Dialer.DialContext does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Config is one mailbox that is watched. The zero value of a field means its
// default.
type Config struct {
	Name    string  // of the mailbox, in sightings and logs
	Address string  // host:port of the IMAP server
	TLS     TLSMode // default implicit
	// TLSConfig is cloned. Without a ServerName the host of Address is verified;
	// the least version is TLS 1.2.
	TLSConfig *tls.Config
	Username  string
	Password  secret.Secret
	Mechanism string // "", plain, login
	Folder    string // that canaries arrive in; default INBOX
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
	case "", MechanismPlain, MechanismLogin:
	default:
		return c, fmt.Errorf("mailbox %q: mechanism: want plain or login, not %q", c.Name, c.Mechanism)
	}
	tc := &tls.Config{}
	if c.TLSConfig != nil {
		tc = c.TLSConfig.Clone()
	}
	if tc.ServerName == "" {
		tc.ServerName = host
	}
	tc.MinVersion = max(tc.MinVersion, tls.VersionTLS12)
	c.TLSConfig = tc
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

func orDefault(d *time.Duration, def time.Duration) {
	if *d <= 0 {
		*d = def
	}
}
