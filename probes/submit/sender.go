package submit

import (
	"context"
	"errors"
	"time"

	"mailquorum/probes"
	"mailquorum/probes/guard"
)

// Keep bounds how a Sender uses its connection.
type Keep struct {
	Idle     time.Duration // a connection idle for longer is closed; 0: 4 minutes (servers wait 5, RFC 5321 section 4.5.3.2.7)
	Messages int           // for each connection; 0: 100
}

// A server that sees many errors in one session slows down or hangs up (Postfix
// after 10 and 20), which would look like trouble of its own: after so many
// refusals the connection is not used again.
const maxRefusals = 3

// Sender submits like Send, and keeps the connection for the next message. A
// canary on a kept connection says nothing of the stages before the envelope: use
// it where a provider limits connections or logins, not to measure. A kept
// connection that turns out to be dead is replaced without a word: servers and
// NATs drop idle connections in good health. Its methods may be called from
// several goroutines; one message is under way at a time.
type Sender struct {
	cfg  Config
	keep Keep

	busy    chan struct{} // holds the right to use the fields below
	kept    *session      // nil: none
	reaper  *time.Timer   // closes it
	sent    int           // messages on it
	refused int           // of these, refused
	closed  bool
}

// NewSender returns a sender; it connects when there is a message.
func NewSender(cfg Config, keep Keep) *Sender {
	if keep.Idle <= 0 {
		keep.Idle = 4 * time.Minute
	}
	if keep.Messages <= 0 {
		keep.Messages = 100
	}
	return &Sender{cfg: cfg, keep: keep, busy: make(chan struct{}, 1)}
}

// Send submits the message as the function Send does; with Result.Reused set it
// went over a kept connection. It waits for its turn until ctx ends.
func (k *Sender) Send(ctx context.Context, message []byte, progress func(probes.Timing)) (Result, error) {
	if err := check(k.cfg, message); err != nil {
		return Result{}, err
	}
	select {
	case k.busy <- struct{}{}:
		defer func() { <-k.busy }()
	case <-ctx.Done():
		return Result{}, &probes.Error{Outcome: probes.Unknown, Temporary: true, Err: context.Cause(ctx)}
	}
	if k.closed {
		return Result{}, &probes.Error{Outcome: probes.Unknown, Err: errors.New("submitting: the sender is closed")}
	}
	if s := k.take(); s != nil {
		if res, err, ok := k.again(ctx, s, message, progress); ok {
			return res, err
		}
	}
	s, res, err := exchange(ctx, k.cfg, message, progress)
	k.sent, k.refused = 0, 0
	k.put(s, err)
	return res, err
}

// Close says QUIT on a kept connection, which takes a second at most, and closes
// it. It waits for the message that is under way.
func (k *Sender) Close() error {
	k.busy <- struct{}{}
	defer func() { <-k.busy }()
	k.closed = true
	if s := k.take(); s != nil {
		s.close()
	}
	return nil
}

// take takes the kept session, if it is still open.
func (k *Sender) take() *session {
	s := k.kept
	k.kept = nil
	if s == nil || !k.reaper.Stop() {
		return nil
	}
	return s
}

// put keeps the session for the next message, or closes it.
func (k *Sender) put(s *session, err error) {
	if s == nil {
		return
	}
	k.sent++
	if err != nil {
		k.refused++
	}
	if !s.reusable(err) || k.sent >= k.keep.Messages || k.refused >= maxRefusals {
		s.close()
		return
	}
	s.guard.Arm(guard.SMTPReply, time.Now().Add(k.keep.Idle+quitGrace))
	k.kept, k.reaper = s, time.AfterFunc(k.keep.Idle, func() { s.guard.Close() })
}

// again submits over a kept session; ok is false when that was dead.
func (k *Sender) again(ctx context.Context, s *session, message []byte, progress func(probes.Timing)) (res Result, _ error, ok bool) {
	ctx, cancel := s.budget(ctx)
	defer cancel()
	s.renew(ctx, progress)
	if s.revive() != nil {
		s.settle()
		s.broken = true
		s.close()
		return Result{}, nil, false
	}
	res, err := asResult(s.end(ctx, s.deliver(message)))
	s.settle()
	k.put(s, err)
	return res, err, true
}

// renew makes an open session ready for another message.
func (s *session) renew(ctx context.Context, progress func(probes.Timing)) {
	s.progress, s.stage, s.dot = progress, probes.StageEnvelope, false
	s.result = Result{TLS: s.result.TLS, Egress: s.result.Egress, Server: s.result.Server, Reused: true}
	s.deadline, _ = ctx.Deadline()
	s.tap.Begin()
	s.tap.Note("on the connection to %s that was kept", s.result.Server)
	s.stop = s.guard.Watch(ctx)
}

// revive finds out whether the server is still there, within a quarter of the
// time, and clears what the message before has left behind. go-smtp's Reset would
// say EHLO again, for which some servers forget the login.
func (s *session) revive() error {
	s.guard.Arm(guard.SMTPReply, time.Now().Add(time.Until(s.deadline)/4))
	_, err := openingOn(s.wire).command("RSET", 250)
	return err
}

// reusable reports whether another message may be sent after this one: it was
// accepted, or refused by a server that goes on listening.
func (s *session) reusable(err error) bool {
	if s.guard == nil || s.guard.Err() != nil || s.broken {
		return false
	}
	var e *probes.Error
	if !errors.As(err, &e) {
		return err == nil
	}
	return e.Stage >= probes.StageEnvelope && e.Reply.Code != 0 && e.Reply.Code != 421
}
