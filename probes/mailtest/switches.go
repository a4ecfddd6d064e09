package mailtest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Set puts a mode in force for the users, or for all (no users given), which
// replaces those of single users.
func (p *Provider) Set(mode Mode, users ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case mode.kind == delay && len(users) == 0:
		clear(p.transits)
		p.transit = func(string) time.Duration { return mode.after }
	case mode.kind == delay:
		for _, u := range users {
			p.transits[strings.ToLower(u)] = mode.after
		}
	case len(users) == 0:
		clear(p.each)
		p.all = mode
	default:
		for _, u := range users {
			p.each[strings.ToLower(u)] = mode
		}
	}
}

// Mode is the mode in force for a user.
func (p *Provider) Mode(user string) Mode {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.modeLocked(user)
}

func (p *Provider) modeLocked(user string) Mode {
	if m, ok := p.each[strings.ToLower(user)]; ok {
		return m
	}
	return p.all
}

// SetTransit sets the healthy delay of delivery, asked once for each recipient
// of each message. It is called with a lock held and must not call the Provider.
func (p *Provider) SetTransit(transit func(user string) time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.transits)
	p.transit = transit
}

func (p *Provider) transitLocked(user string) time.Duration {
	if d, ok := p.transits[strings.ToLower(user)]; ok {
		return d
	}
	if p.transit != nil {
		return p.transit(user)
	}
	return DefaultTransit
}

// SMTPDown closes the SMTP ports and cuts open sessions, or opens them again,
// which can fail when somebody else took a port.
func (p *Provider) SMTPDown(down bool) error { return setDown(p.smtpGates, down) }

// IMAPDown does the same to IMAP. Mail is delivered meanwhile.
func (p *Provider) IMAPDown(down bool) error { return setDown(p.imapGates, down) }

func setDown(gates []*gate, down bool) error {
	var errs []error
	for _, g := range gates {
		errs = append(errs, g.setDown(down))
	}
	return errors.Join(errs...)
}

// SMTPHang freezes the SMTP servers: connections are accepted and never
// answered, open sessions stand still. Off, all goes on where it was.
func (p *Provider) SMTPHang(hang bool) { p.smtpBrake.set(hang) }

// IMAPHang does the same to IMAP. Mail is delivered meanwhile.
func (p *Provider) IMAPHang(hang bool) { p.imapBrake.set(hang) }

// RefuseAuth makes the users' right passwords look wrong (no users given: all),
// as an outage of a provider's identity service does.
func (p *Provider) RefuseAuth(refuse bool, users ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(users) == 0 {
		clear(p.refused)
		users = []string{""}
	}
	for _, u := range users {
		p.refused[strings.ToLower(u)] = refuse
	}
}

func (p *Provider) authRefused(user string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused[""] || p.refused[strings.ToLower(user)]
}

// BlockEgress answers RCPT from a source address with 451 4.7.500.
func (p *Provider) BlockEgress(ip string, block bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.egress[ip] = block
}

func (p *Provider) blocked(ip string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.egress[ip]
}

// UseCertificate replaces the servers' certificate for new connections, by a bad
// one for instance. The zero value brings back a good one.
func (p *Provider) UseCertificate(cert tls.Certificate) error {
	if len(cert.Certificate) == 0 {
		return p.certify()
	}
	p.cert.Store(&cert)
	return nil
}

// Put stores a message straight into a folder, as it is.
func (p *Provider) Put(user, folder string, raw []byte) error {
	a, err := p.account(user)
	if err != nil {
		return err
	}
	return p.put(a, folder, raw, "", time.Now())
}

// Expunge empties a folder.
func (p *Provider) Expunge(user, folder string) error {
	a, err := p.account(user)
	if err != nil {
		return err
	}
	return a.empty(folder)
}

// Recreate deletes a folder and makes it anew: UIDVALIDITY changes. It cuts open
// IMAP sessions, of all users.
func (p *Provider) Recreate(user, folder string) error {
	a, err := p.account(user)
	if err != nil {
		return err
	}
	if err := a.user.Delete(folder); err != nil {
		return fmt.Errorf("recreating %s of %s: %w", folder, user, err)
	}
	if err := a.user.Create(folder, nil); err != nil {
		return fmt.Errorf("recreating %s of %s: %w", folder, user, err)
	}
	p.CutIMAP()
	return nil
}

// CutIMAP breaks all open IMAP connections; new ones are served.
func (p *Provider) CutIMAP() {
	for _, g := range p.imapGates {
		g.mu.Lock()
		g.killLocked(func(*gateConn) bool { return true })
		g.mu.Unlock()
	}
}

// Count is the number of messages in a folder.
func (p *Provider) Count(user, folder string) (int, error) {
	a, err := p.account(user)
	if err != nil {
		return 0, err
	}
	return a.count(folder)
}

func (p *Provider) account(user string) (*account, error) {
	if a := p.accounts[strings.ToLower(user)]; a != nil {
		return a, nil
	}
	return nil, fmt.Errorf("no such user: %s", user)
}

// CA holds the certificate of the provider's authority, for tls.Config.RootCAs.
func (p *Provider) CA() *x509.CertPool { return p.ca.Pool() }

// CAPEM is the same for a file.
func (p *Provider) CAPEM() []byte { return p.ca.PEM() }

// Host is the provider's own name, which its certificate bears.
func (p *Provider) Host() string { return p.cfg.Host }

// Domain is the domain that the provider takes mail for.
func (p *Provider) Domain() string { return p.cfg.Domain }

// Addr is the address of a service with the port in use: "smtps", "submission",
// "mx", "imaps" or "imap"; empty where it was not configured.
func (p *Provider) Addr(service string) string {
	if g := p.byService[service]; g != nil {
		return g.address
	}
	return ""
}
