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
	"slices"
	"time"

	"mailquorum/probes"
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

	Dialogue probes.Transcript // what was said, without secrets and without the message
}

// Send submits the message (as of probes.Letter.Bytes) and returns when the
// provider has taken it, refused it, or cfg.Timeout has passed. It blocks for no
// longer than that. progress, if not nil, is called from the same goroutine after
// each stage passed. An error is always a *probes.Error; it holds no secret.
//
// When ctx ends, the connection is closed and the error's cause is
// context.Cause(ctx): a deadline counts as the server's time-out, anything else
// as ours (Unknown), unless the whole message had been handed over (Ambiguous).
func Send(ctx context.Context, cfg Config, message []byte, progress func(probes.Timing)) (Result, error) {
	s := newSession(cfg, progress)
	if err := s.check(message); err != nil {
		return s.result, err
	}
	ctx, cancel := s.budget(ctx)
	defer cancel()
	defer s.close()
	err := s.open(ctx)
	if err == nil {
		err = s.deliver(message)
	}
	return s.end(ctx, err)
}

// end makes the result of what came of the dialogue.
func (s *session) end(ctx context.Context, err error) (Result, error) {
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
