package mailtest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// maxMessage bounds a message in bytes; RFC 5321 section 4.5.3.1.7 asks for 64 kB.
const maxMessage = 10 << 20

var (
	errUnknownUser = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user here"}
	errRelay       = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "relaying denied"}
	errReject      = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "refused by switch"}
	errDefer       = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "deferred by switch"}
	errDelivered   = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "deferred by switch, but delivered"}
	errBusy        = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 500}, Message: "server busy, try again later from"}
	errCut         = errors.New("connection cut by switch")
)

// smtpSession is one SMTP connection after its HELO.
type smtpSession struct {
	p        *Provider
	c        *smtp.Conn
	needAuth bool
	user     string // who logged in
	from     string
	rcpts    []recipient
}

// recipient is an accepted RCPT with the mode that was in force.
type recipient struct {
	account *account
	address string
	mode    Mode
}

// AuthMechanisms lists the SASL mechanisms.
func (s *smtpSession) AuthMechanisms() []string {
	if !s.needAuth {
		return nil
	}
	return []string{sasl.Plain, sasl.Login}
}

// Auth starts a SASL exchange.
func (s *smtpSession) Auth(mech string) (sasl.Server, error) {
	login := func(username, password string) error {
		a := s.p.login(username, password)
		if a == nil {
			return smtp.ErrAuthFailed
		}
		s.user = a.name
		return nil
	}
	if srv := newSASL(mech, login); srv != nil && s.needAuth {
		return srv, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

// Mail takes the reverse path.
func (s *smtpSession) Mail(from string, _ *smtp.MailOptions) error {
	if s.needAuth && s.user == "" {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

// Rcpt takes a recipient, or does what the switches say.
func (s *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if ip := s.remoteIP(); s.p.blocked(ip) {
		busy := *errBusy
		busy.Message += " " + ip
		return &busy
	}
	a, err := s.p.find(to)
	if err != nil {
		return err
	}
	m := s.p.Mode(a.name)
	switch m.kind {
	case reject:
		return errReject
	case deferRcpt:
		return errDefer
	case slow:
		if !s.p.pause(m.after, nil) {
			return errDefer
		}
	}
	s.rcpts = append(s.rcpts, recipient{account: a, address: to, mode: m})
	return nil
}

// Data takes the message and queues it for each recipient. If one recipient's
// switch wants a negative answer, all get it.
func (s *smtpSession) Data(r io.Reader) error {
	s.p.running.Add(1)
	defer s.p.running.Done()
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	answer := error(nil)
	for _, to := range s.rcpts {
		switch to.mode.kind {
		case rejectData:
			return errReject
		case deferData:
			return errDefer
		case deferDelivered:
			answer = errDelivered
		case cutAfterData:
			answer = errCut
		}
	}
	id := s.p.enqueue(s.trace(raw), s.from, s.rcpts)
	if answer == errCut {
		if c := netConn(s.c.Conn()); c != nil {
			c.kill()
		}
		return answer
	}
	if answer != nil {
		return answer
	}
	return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: "Ok: queued as " + id}
}

// Reset forgets the transaction.
func (s *smtpSession) Reset() { s.from, s.rcpts = "", nil }

// Logout ends the session.
func (s *smtpSession) Logout() error { return nil }

func (s *smtpSession) remoteIP() string {
	host, _, err := net.SplitHostPort(s.c.Conn().RemoteAddr().String())
	if err != nil {
		return s.c.Conn().RemoteAddr().String()
	}
	return host
}

// find returns the account of an address: "user@domain" or "user+tag@domain".
func (p *Provider) find(address string) (*account, error) {
	local, domain, ok := strings.Cut(address, "@")
	if !ok || !strings.EqualFold(domain, p.cfg.Domain) {
		return nil, errRelay
	}
	local, _, _ = strings.Cut(local, "+")
	a := p.accounts[strings.ToLower(local)]
	if a == nil {
		return nil, errUnknownUser
	}
	return a, nil
}

// login checks credentials, "user" or "user@domain"; nil: refused.
func (p *Provider) login(username, password string) *account {
	local, domain, full := strings.Cut(username, "@")
	a := p.accounts[strings.ToLower(local)]
	if a == nil || full && !strings.EqualFold(domain, p.cfg.Domain) || password != a.password || p.authRefused(a.name) {
		return nil
	}
	return a
}

// trace describes how the message came, for its Received header.
func (s *smtpSession) trace(raw []byte) *message {
	with := "ESMTP"
	if _, ok := s.c.TLSConnectionState(); ok {
		with += "S"
	}
	if s.user != "" {
		with += "A"
	}
	return &message{raw: raw, from: fmt.Sprintf("%s ([%s])", s.c.Hostname(), s.remoteIP()), with: with, user: s.user}
}
