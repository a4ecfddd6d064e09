// Package submit is the SMTP leg of a canary: it hands one message to the
// provider and says how long each stage of the dialogue took, or at which stage
// and why it failed, in the words of package probes.
//
// It speaks through go-smtp's client, but never lets it own a connection: every
// connection is dialled here, wrapped in a guard with a byte budget and an
// absolute deadline, and secured here, before the library sees it. Library errors
// are translated in one place, translate.
package submit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mailquorum/internal/secret"
	"mailquorum/probes"
	"mailquorum/probes/token"
)

// Result is what is known of a submission. After a failure it is filled as far
// as the dialogue came.
type Result struct {
	Timings  []probes.Timing // of the stages passed, in the order of the dialogue; a failed stage has none
	Accepted time.Time       // when the final reply to DATA arrived: with its monotonic reading, the begin of the transit
	Reply    probes.Reply    // the last reply that counts: the final one, or the one that refused
	QueueID  string          // from the final reply; empty where the server names none
	TLS      probes.TLSFacts // zero without TLS
	Egress   string          // local address of the connection
	Server   string          // remote address of the connection
	Reused   bool            // a Sender's kept connection: the stages before the envelope were passed by an earlier message

	Dialogue probes.Transcript // what was said, without secrets and without the message
}

// Send submits the message (as of probes.Letter.Bytes) and returns when the
// provider has taken it, refused it, or cfg.Timeout has passed; it blocks for no
// longer than that, a second for the goodbye, and the time that a TokenSource
// takes. progress, if not nil, is called from the same goroutine after each stage
// passed, and again from the first when a revoked token has been replaced. An
// error is always a *probes.Error; it holds no secret.
//
// When ctx ends, the connection is closed and the error's cause is
// context.Cause(ctx): a deadline counts as the server's time-out, anything else
// as ours (Unknown), unless the whole message had been handed over (Ambiguous).
func Send(ctx context.Context, cfg Config, message []byte, progress func(probes.Timing)) (Result, error) {
	if err := check(cfg, message); err != nil {
		return Result{}, err
	}
	s, res, err := exchange(ctx, cfg, message, progress)
	if s != nil {
		s.close()
	}
	return res, err
}

// exchange submits over a connection of its own, and returns the session too.
func exchange(ctx context.Context, cfg Config, message []byte, progress func(probes.Timing)) (*session, Result, error) {
	tok, err := accessToken(ctx, cfg)
	if err != nil {
		return nil, Result{}, err
	}
	s, res, err := attempt(ctx, cfg, tok, message, progress)
	if cfg.Tokens == nil || !refusedLogin(err) || !cfg.Tokens.Reject(tok) {
		return s, res, err
	}
	// The token was good so far: it may have been revoked, which the next one is not.
	s.close()
	if tok, err = accessToken(ctx, cfg); err != nil {
		return nil, res, err
	}
	return attempt(ctx, cfg, tok, message, progress)
}

// refusedLogin reports whether the server itself refused what we logged in with.
func refusedLogin(err error) bool {
	var e *probes.Error
	return errors.As(err, &e) && e.Outcome == probes.AuthFailed && e.Reply.Code != 0
}

// attempt is one dialogue, from the dial to the final reply.
func attempt(ctx context.Context, cfg Config, tok secret.Secret, message []byte, progress func(probes.Timing)) (*session, Result, error) {
	s := newSession(cfg, tok, progress)
	ctx, cancel := s.budget(ctx)
	defer cancel()
	err := s.open(ctx)
	if err == nil {
		err = s.deliver(message)
	}
	res, err := asResult(s.end(ctx, err))
	s.settle()
	return s, res, err
}

// asResult keeps a nil *probes.Error from becoming an error that is not nil.
func asResult(res Result, e *probes.Error) (Result, error) {
	if e == nil {
		return res, nil
	}
	return res, e
}

// check refuses what must not reach a server at all. It is our fault: Unknown.
func check(cfg Config, message []byte) error {
	err := cfg.Validate()
	if len(message) == 0 {
		err = errors.Join(err, errors.New("the message is empty"))
	}
	if err == nil {
		return nil
	}
	return &probes.Error{Stage: probes.StageNone, Outcome: probes.Unknown, Hint: "mend the configuration of the route",
		Err: fmt.Errorf("submitting: %w", err)}
}

// accessToken gets the token before the dialogue, on its own time: waiting for an
// authorization server must not look like a slow provider. That it fails is ours,
// never an outage: Policy when it refuses us (AuthFailed would count where two
// credential domains see it), else Unknown.
func accessToken(ctx context.Context, cfg Config) (secret.Secret, error) {
	if cfg.Tokens == nil || cfg.Username == "" {
		return secret.Secret{}, nil
	}
	tok, err := cfg.Tokens.Token(ctx)
	if err == nil {
		return tok, nil
	}
	e := &probes.Error{Stage: probes.StageAuth, Outcome: probes.Unknown, Temporary: true, Err: err,
		Hint: "the authorization server could not be asked: this says nothing about the provider"}
	if why := (*token.Error)(nil); errors.As(err, &why) && why.Refused {
		e.Outcome, e.Temporary, e.Hint = probes.Policy, false, why.Hint()
	}
	return secret.Secret{}, e
}

// end makes the result of what came of the dialogue.
func (s *session) end(ctx context.Context, err error) (Result, *probes.Error) {
	if err == nil {
		s.result.Dialogue = s.tap.Transcript()
		return s.result, nil
	}
	e := s.fail(ctx, err)
	s.tap.Note("%s: %s", e.Outcome, e)
	s.result.Dialogue = s.tap.Transcript()
	return s.result, e
}

// passed records that a stage took d so far: the parts of a stage add up.
func (s *session) passed(stage probes.Stage, d time.Duration) {
	t := probes.Timing{Stage: stage, Duration: d}
	ts := s.result.Timings
	at, _ := slices.BinarySearchFunc(ts, stage, func(t probes.Timing, s probes.Stage) int { return int(t.Stage) - int(s) })
	s.result.Timings = slices.Insert(ts, at, t)
	if s.progress != nil {
		s.progress(t)
	}
}
