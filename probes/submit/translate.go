package submit

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/textproto"
	"syscall"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"mailquorum/probes"
	"mailquorum/probes/guard"
)

// fail translates whatever ended the dialogue. It is the only place that does.
func (s *session) fail(ctx context.Context, err error) *probes.Error {
	e := &probes.Error{Stage: s.stage, Temporary: true}
	if reply, ok := s.refusal(err); ok {
		s.result.Reply, e.Reply = reply, reply
		e.Outcome, e.Temporary = classify(s.stage, reply)
		if s.dot && (reply.Code < 500 || reply.Code > 599) {
			// Delivered and answered 451: it happens. Only the mailbox can tell.
			e.Outcome, e.Temporary = probes.Ambiguous, true
		}
		e.Hint = hintOfReply(s.cfg, s.stage, reply)
		return e
	}
	s.broken = true
	if s.guard != nil {
		err = s.guard.Explain(err)
	}
	if deadline, ok := ctx.Deadline(); ok && isTimeout(err) && !time.Now().Before(deadline) {
		<-ctx.Done() // the guard's timer was a moment earlier than the context's
	}
	if ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	e.Outcome, e.Temporary = s.verdict(ctx, err)
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) && len(s.result.Timings) == 0 {
		e.Stage = probes.StageResolve // it was Dial that resolved
	}
	e.Hint = hintOfError(s.cfg, s.stage, err)
	if s.silent && isTimeout(err) {
		e.Hint = hintOfSilence(s.cfg)
	}
	e.Err = s.plain(ctx, err)
	return e
}

// refusal returns the reply in err, if a reply it is.
func (s *session) refusal(err error) (probes.Reply, bool) {
	if e := (*smtp.SMTPError)(nil); errors.As(err, &e) {
		msg := e.Message
		if c := e.EnhancedCode; c[0] > 0 {
			msg = enhanced(c) + " " + msg
		}
		return s.reply(e.Code, msg), true
	}
	if e := (*textproto.Error)(nil); errors.As(err, &e) {
		return s.reply(e.Code, e.Msg), true
	}
	return probes.Reply{}, false
}

// verdict judges an error that is no reply.
func (s *session) verdict(ctx context.Context, err error) (o probes.Outcome, temporary bool) {
	ours := ctx.Err() != nil && ctx.Err() != context.DeadlineExceeded
	var (
		dns      *net.DNSError
		op       *net.OpError
		protocol textproto.ProtocolError
		record   tls.RecordHeaderError
		alert    tls.AlertError
		cert     *tls.CertificateVerificationError
	)
	switch {
	case s.dot:
		return probes.Ambiguous, true
	case ours:
		return probes.Unknown, true
	case errors.Is(err, errClearText):
		return probes.Unknown, false
	case errors.Is(err, errNoAuth), errors.Is(err, errMechanism), errors.Is(err, sasl.ErrUnexpectedServerChallenge):
		return probes.AuthFailed, true
	case exhausted(err), errors.Is(err, guard.ErrBytes):
		return probes.Unknown, true
	case errors.As(err, &protocol), errors.Is(err, smtp.ErrTooLongLine):
		return probes.Unknown, true // what our parser does not understand is never evidence
	case errors.Is(err, errNullMX):
		return probes.Failed, false
	case errors.As(err, &dns):
		return probes.Failed, !dns.IsNotFound
	case s.stage == probes.StageTLS, errors.Is(err, errNoSTARTTLS), errors.As(err, &record), errors.As(err, &alert), errors.As(err, &cert):
		return probes.Failed, true
	case isTimeout(err), errors.As(err, &op),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed),
		isErrno(err), s.stage == probes.StageConnect && s.guard == nil:
		return probes.Failed, true
	}
	return probes.Unknown, true
}

// exhausted reports whether this machine ran out of something.
func exhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}

func isErrno(err error) bool {
	var e syscall.Errno
	return errors.As(err, &e)
}

// plainError prints clean, on one line and without secrets; its cause can be asked
// for, not printed.
type plainError struct {
	text string
	err  error
}

func (e *plainError) Error() string { return e.text }
func (e *plainError) Unwrap() error { return e.err }

func (s *session) plain(ctx context.Context, err error) error {
	text := err
	if ctx.Err() != nil {
		text = context.Cause(ctx) // the rest is "use of closed connection"
	}
	return &plainError{probes.Clean(s.tap.Redact(text.Error())), err}
}
