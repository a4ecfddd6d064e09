package collect

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
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
func dialFailure(op string, err error) *failure {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var host x509.HostnameError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, guard.ErrDeadline):
		return failed(op, errors.New("no answer in time"), "the server is silent: if the port is for STARTTLS, set tls: starttls")
	case errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ENOBUFS):
		return unknown(op, err, "this machine is out of file descriptors or memory")
	case hostile(err) || errors.Is(err, bufio.ErrBufferFull):
		return unknown(op, err, hintHostile)
	case errors.As(err, &dns):
		return failed(op, err, "the name of the IMAP server does not resolve here")
	case errors.As(err, &host):
		return failed(op, err, "the server's certificate is for another name")
	case errors.As(err, &cert):
		return failed(op, err, "the server's certificate is not trusted here: expired, or its CA is unknown")
	case errors.As(err, &record):
		return failed(op, err, "the port speaks no TLS: is it for STARTTLS?")
	}
	return failed(op, err, "")
}

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
	case e.Code == imap.ResponseCodeNonExistent || e.Code == imap.ResponseCodeTryCreate:
		return unknown(op, err, "there is no such folder: check its name in the configuration")
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
	switch {
	case hostile(ended):
		return unknown(op, ended, hintHostile)
	case errors.Is(ended, guard.ErrDeadline):
		return failed(op, errTimeout{s.m.cfg.Watchdog}, "the server is silent")
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
