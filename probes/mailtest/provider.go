package mailtest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-smtp"
)

// DefaultTransit is how long a healthy delivery takes unless told otherwise,
// from the reply to DATA to the mailbox.
const DefaultTransit = 10 * time.Millisecond

// Time limits of the SMTP server (RFC 5321 section 4.5.3.2.7: at least 5 minutes).
const (
	smtpReadTimeout  = 5 * time.Minute
	smtpWriteTimeout = time.Minute
)

// User is an account: he logs in with Name or Name@Domain, and mail for
// Name@Domain and Name+anything@Domain is his.
type User struct{ Name, Password string }

// ProviderConfig says what a provider is called and where it listens. An empty
// address leaves that service out; port 0 picks a port.
type ProviderConfig struct {
	Listen func(address string) (net.Listener, error) // nil: TCP of this machine
	Host   string                                     // own name, in greetings and certificate; default "mail." + Domain
	Domain string                                     // takes mail for it only; default "provider.test"

	SMTPS      string // submission over TLS, usually port 465
	Submission string // submission with STARTTLS, usually port 587
	MX         string // without login, for mail from elsewhere, usually port 25
	IMAPS      string // IMAP over TLS, usually port 993
	IMAP       string // IMAP with STARTTLS, usually port 143

	Users     []User
	CA        *CA           // nil: a new one
	Names     []string      // more names and addresses for the certificate
	Insecure  bool          // allow logins in clear
	IdleDelay time.Duration // from a delivery to its announcement in IDLE; Dovecot takes 500 ms
	Log       *slog.Logger  // nil: nothing is logged
}

// Provider is a running mail provider. All methods may be called from several
// goroutines.
type Provider struct {
	cfg      ProviderConfig
	log      *slog.Logger
	ca       *CA
	cert     atomic.Pointer[tls.Certificate]
	accounts map[string]*account // by lower-case name; fixed
	running  sync.WaitGroup      // connections, deliveries
	serving  sync.WaitGroup      // accept loops
	done     chan struct{}       // closed by Close

	smtpBrake, imapBrake brake
	smtpGates, imapGates []*gate
	byService            map[string]*gate
	smtpServers          []*smtp.Server
	imapServer           *imapserver.Server

	mu         sync.Mutex
	closed     bool
	all        Mode
	each       map[string]Mode
	transit    func(user string) time.Duration
	transits   map[string]time.Duration
	refused    map[string]bool // logins, by user; "": all
	egress     map[string]bool // blocked source addresses
	queue      map[*entry]struct{}
	lastID     int
	deliveries []Delivery
}

// StartProvider starts a provider; Close ends it.
func StartProvider(cfg ProviderConfig) (*Provider, error) {
	if cfg.Domain == "" {
		cfg.Domain = "provider.test"
	}
	if cfg.Host == "" {
		cfg.Host = "mail." + cfg.Domain
	}
	if cfg.Listen == nil {
		cfg.Listen = func(address string) (net.Listener, error) { return net.Listen("tcp", address) }
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Provider{
		cfg: cfg, log: cfg.Log, ca: cfg.CA, done: make(chan struct{}),
		accounts: map[string]*account{}, byService: map[string]*gate{},
		each: map[string]Mode{}, transits: map[string]time.Duration{},
		refused: map[string]bool{}, egress: map[string]bool{}, queue: map[*entry]struct{}{},
	}
	for _, u := range cfg.Users {
		a, err := newAccount(u)
		if err != nil {
			return nil, fmt.Errorf("starting provider %s: %w", cfg.Host, err)
		}
		p.accounts[strings.ToLower(u.Name)] = a
	}
	if err := p.start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting provider %s: %w", cfg.Host, err), p.Close())
	}
	return p, nil
}

func (p *Provider) start() error {
	if err := p.certify(); err != nil {
		return err
	}
	secure := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return p.cert.Load(), nil
	}}
	p.imapServer = imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return &imapSession{p: p}, nil, nil
		},
		Caps: imapCaps(), TLSConfig: secure, InsecureAuth: p.cfg.Insecure, Logger: libLog{p.log},
	})
	for _, s := range []struct {
		name, address string
		tls           *tls.Config
		smtp, auth    bool
	}{
		{"smtps", p.cfg.SMTPS, secure, true, true},
		{"submission", p.cfg.Submission, nil, true, true},
		{"mx", p.cfg.MX, nil, true, false},
		{"imaps", p.cfg.IMAPS, secure, false, true},
		{"imap", p.cfg.IMAP, nil, false, true},
	} {
		if s.address == "" {
			continue
		}
		gates, brake := &p.imapGates, &p.imapBrake
		serve := p.imapServer.Serve
		if s.smtp {
			gates, brake = &p.smtpGates, &p.smtpBrake
			serve = p.newSMTP(secure, s.auth).Serve
		}
		g, err := openGate(p.cfg.Listen, s.address, s.tls, brake, &p.running)
		if err != nil {
			return err
		}
		*gates = append(*gates, g)
		p.byService[s.name] = g
		p.serving.Go(func() { serve(g) }) // ends when the gate is closed
	}
	return nil
}

func (p *Provider) newSMTP(secure *tls.Config, auth bool) *smtp.Server {
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &smtpSession{p: p, c: c, needAuth: auth}, nil
	}))
	s.Domain = p.cfg.Host
	s.TLSConfig = secure
	s.AllowInsecureAuth = p.cfg.Insecure
	s.MaxMessageBytes = maxMessage
	s.MaxRecipients = 100
	s.ReadTimeout, s.WriteTimeout = smtpReadTimeout, smtpWriteTimeout
	s.ErrorLog = libLog{p.log}
	p.smtpServers = append(p.smtpServers, s)
	return s
}

// certify makes the CA, where none was given, and the server's certificate.
func (p *Provider) certify() (err error) {
	if p.ca == nil {
		if p.ca, err = NewCA(); err != nil {
			return err
		}
	}
	cert, err := p.ca.Leaf(append([]string{p.cfg.Host, "localhost", "127.0.0.1", "::1"}, p.cfg.Names...)...)
	if err != nil {
		return err
	}
	p.cert.Store(&cert)
	return nil
}

// Close stops the provider and waits for its goroutines. What is in the queue
// is gone. Closing twice is harmless.
func (p *Provider) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	close(p.done)
	for e := range p.queue {
		if e.timer != nil && e.timer.Stop() {
			p.running.Done()
		}
	}
	p.mu.Unlock()

	var errs []error
	for _, g := range append(p.smtpGates, p.imapGates...) {
		errs = append(errs, g.Close())
	}
	p.serving.Wait()
	p.running.Wait()
	for _, s := range p.smtpServers {
		errs = append(errs, s.Shutdown(context.Background())) // waits for its sessions, which have lost their connections
	}
	if p.imapServer != nil {
		errs = append(errs, p.imapServer.Close())
	}
	return errors.Join(errs...)
}

// libLog passes what the libraries print to the structured log.
type libLog struct{ log *slog.Logger }

// Printf logs at level debug.
func (l libLog) Printf(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }

// Println logs at level debug.
func (l libLog) Println(v ...any) { l.log.Debug(fmt.Sprint(v...)) }
