package collect

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/emersion/go-imap/v2"

	"mailquorum/probes"
	"mailquorum/probes/guard"
)

// failure is an error of the read side in the handler's words.
type failure struct {
	is      *probes.Error
	lost    bool // the connection went away, and nothing worse
	refused bool // the server said NO or BAD, and goes on
}

func (f *failure) Error() string { return f.is.Error() }
func (f *failure) Unwrap() error { return f.is }

// errTimeout is our watchdog's.
type errTimeout struct{ after time.Duration }

func (e errTimeout) Error() string { return fmt.Sprintf("no answer within %v", e.after) }

// failed makes a failure of the provider's read side.
func failed(op string, err error, hint string) *failure {
	return problem(probes.Failed, op, err, hint)
}

// unknown makes a failure that says nothing about the provider.
func unknown(op string, err error, hint string) *failure {
	return problem(probes.Unknown, op, err, hint)
}

func problem(o probes.Outcome, op string, err error, hint string) *failure {
	return &failure{is: &probes.Error{Stage: probes.StageRetrieve, Outcome: o, Temporary: true, Hint: hint, Err: inOp{op, err}}}
}

// inOp is an error with what was being done, safe to print: certificates and
// answers are a stranger's words.
type inOp struct {
	op  string
	err error
}

func (e inOp) Error() string { return e.op + ": " + probes.Clean(e.err.Error()) }
func (e inOp) Unwrap() error { return e.err }

// asFailure returns the failure in err.
func asFailure(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return unknown("watching", err, "")
}

// dialFailure classifies what went wrong before TLS was up.
func (m *Mailbox) dialFailure(op string, err error) *failure {
	var dns *net.DNSError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, guard.ErrDeadline):
		return failed(op, errors.New("no answer in time"), hintOfSilence(m.cfg.TLS, op))
	case errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ENOBUFS):
		return unknown(op, err, "this machine is out of file descriptors or memory")
	case hostile(err) || errors.Is(err, bufio.ErrBufferFull):
		return unknown(op, err, hintHostile)
	case errors.As(err, &dns):
		return failed(op, err, "the name of the IMAP server does not resolve here: check address")
	case errors.Is(err, syscall.ECONNREFUSED):
		return failed(op, err, "nothing listens on that port: check address (usually port 993)")
	case errors.As(err, &record):
		return failed(op, err, m.hintOfClearText(string(record.RecordHeader[:])))
	}
	return failed(op, err, probes.HintOfCertificate(err))
}

// hintOfSilence says what to do about a server that says nothing.
func hintOfSilence(mode TLSMode, op string) string {
	switch {
	case mode != Implicit && op == opGreeting:
		return "the server says nothing: a port for TLS at once? set tls: implicit (usually port 993)"
	case mode == Implicit && op == opTLS:
		return "the server is silent: if the port is for STARTTLS (143), set tls: starttls"
	}
	return "the server is silent"
}

// hintOfClearText says what to do about a server that says words in clear where TLS
// was to begin.
func (m *Mailbox) hintOfClearText(words string) string {
	switch {
	case smtpSpeaks(words):
		return hintSMTP
	case strings.HasPrefix(words, "* ") && m.cfg.TLS == Implicit:
		_, port, _ := net.SplitHostPort(m.cfg.Address)
		return "the server greets in clear text on port " + port + ": set tls: starttls"
	case m.cfg.TLS == Implicit:
		return "the port speaks no TLS: check address; a port for STARTTLS (143) wants tls: starttls"
	}
	return "what came after STARTTLS is no TLS: somebody may be in between"
}

// smtpSpeaks reports whether a greeting is that of a mail server (RFC 5321 section
// 4.2).
func smtpSpeaks(greeting string) bool {
	return has(greeting[:min(4, len(greeting))], "220 ", "220-", "421 ", "554 ")
}

const hintSMTP = "this is an SMTP server: check address and port (IMAP is usually port 993)"

const hintHostile = "the server sends what no honest server sends: more than asked for, or lines that make no sense"

// answer classifies a negative answer of the server to a command.
func (s *session) answer(op string, e *imap.Error) *failure {
	text := s.tap.Redact(e.Text)
	if e.Code != "" {
		text = fmt.Sprintf("[%s] ", e.Code) + text
	}
	err := errors.New(string(e.Type) + " " + text)
	low := strings.ToLower(text)
	switch {
	case e.Type == imap.StatusResponseTypeBye:
		return bye(op, err, low)
	case e.Type == imap.StatusResponseTypeBad:
		return unknown(op, err, "the server does not understand what we say")
	case e.Code == imap.ResponseCodeLimit || crowded(low):
		return problem(probes.Throttled, op, err, "too many connections or commands for this account: share it with fewer agents")
	case e.Code == imap.ResponseCodeUnavailable || e.Code == imap.ResponseCodeServerBug ||
		e.Code == imap.ResponseCodeInUse || e.Code == imap.ResponseCodeCorruption || passing(low):
		return failed(op, err, "")
	case op == opLogin:
		f := problem(probes.AuthFailed, op, err, hintOfLogin(low))
		f.is.Temporary = false
		return f
	case e.Code == imap.ResponseCodeNonExistent || e.Code == imap.ResponseCodeTryCreate ||
		s.opening != nil && !strings.EqualFold(s.opening.name, "INBOX") && missing(low): // there is always an INBOX
		return unknown(op, err, s.hintOfFolder())
	case e.Code == imap.ResponseCodeNoPerm || e.Code == imap.ResponseCodeExpired ||
		e.Code == imap.ResponseCodeAuthorizationFailed || e.Code == imap.ResponseCodeContactAdmin:
		return problem(probes.AuthFailed, op, err, "the account may not do this")
	}
	return failed(op, err, "")
}

// bye classifies the words with which a server hung up.
func bye(op string, err error, low string) *failure {
	if crowded(low) {
		return problem(probes.Throttled, op, err, "too many connections for this account: share it with fewer agents")
	}
	f := failed(op, err, "the server closed the connection")
	f.lost = true
	return f
}

func crowded(low string) bool {
	return has(low, "too many", "simultaneous", "maximum number of connections", "connection limit", "rate limit", "throttl", "bandwidth limit")
}

func passing(low string) bool {
	return has(low, "temporar", "try again", "try later", "unavailable", "timeout", "timed out", "internal error", "server busy", "backend")
}

func missing(low string) bool {
	return has(low, "does not exist", "doesn't exist", "no such", "unknown mailbox", "unknown folder", "nonexistent", "non-existent", "not found")
}

// hintOfFolder says what to do about a folder that is not there.
func (s *session) hintOfFolder() string {
	f := s.opening
	switch {
	case f == nil:
		return "there is no such folder: check its name in the configuration"
	case f.found:
		return fmt.Sprintf("the server lists the folder %q and does not open it: set junk: to the right one", probes.Clean(f.name))
	case f.junk:
		return fmt.Sprintf("there is no folder %q: set junk: to the name of one that exists, or leave it out", probes.Clean(f.name))
	}
	return fmt.Sprintf("there is no folder %q: set folder: to the one in which canaries arrive", probes.Clean(f.name))
}

func has(s string, any ...string) bool {
	for _, a := range any {
		if strings.Contains(s, a) {
			return true
		}
	}
	return false
}

// classify says what an error of the library means: the library keeps neither
// types nor causes, so the connection is asked what happened to it.
func (s *session) classify(op string, err error) *failure {
	var e *imap.Error
	if errors.As(err, &e) {
		f := s.answer(op, e)
		f.refused = e.Type == imap.StatusResponseTypeNo || e.Type == imap.StatusResponseTypeBad
		return f
	}
	words, ended := s.wire.story()
	if said := s.wire.said(); op == opGreeting && smtpSpeaks(said) {
		return unknown(op, errors.New("not IMAP: "+said), hintSMTP)
	}
	switch {
	case hostile(ended):
		return unknown(op, ended, hintHostile)
	case errors.Is(ended, guard.ErrDeadline):
		return failed(op, errTimeout{s.m.cfg.Watchdog}, hintOfSilence(s.m.cfg.TLS, op))
	case words != "":
		return bye(op, errors.New("BYE "+words), strings.ToLower(words))
	case ended != nil:
		f := failed(op, ended, "the connection was cut")
		f.lost = true
		return f
	}
	// The connection is well, and the library gave it up: it could not read what
	// the server said.
	return unknown(op, errors.New(s.tap.Redact(err.Error())), "our IMAP parser does not understand the server")
}
