package collect

import (
	"context"
	"errors"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailquorum/probes/guard"
)

// scan looks at all watched folders, completely, and leaves the inbox selected.
// The inbox comes first and last: what a filter moves to junk meanwhile is in
// one of the two looks.
func (s *session) scan(ctx context.Context) error {
	began := time.Now()
	s.m.scanWanted() // this is it
	if s.at != nil {
		if err := s.poll(ctx); err != nil {
			return err
		}
	} else if err := s.enter(ctx, s.m.inbox); err != nil {
		return err
	}
	if err := s.enterJunk(ctx); err != nil {
		return err
	}
	// Selected anew, even without a junk folder: a server goes on serving the view
	// of a folder that was deleted and made again.
	if err := s.enter(ctx, s.m.inbox); err != nil {
		return err
	}
	s.nextScan = time.Now().Add(s.m.cfg.Idle)
	s.nextPeek = time.Now().Add(peekEvery)
	s.m.h.Scanned(began)
	return nil
}

// enter selects a folder and looks at it.
func (s *session) enter(ctx context.Context, f *folder) error {
	if err := s.open(f); err != nil {
		return err
	}
	s.drain()
	return s.look(ctx, f, f.next)
}

// enterJunk looks at the junk folder, if there is one. One that we found and that
// cannot be selected is looked for again with the next connection: a scan that
// leaves it out would not be complete.
func (s *session) enterJunk(ctx context.Context) error {
	junk := s.m.junk
	if junk == nil {
		return nil
	}
	err := s.enter(ctx, junk)
	var f *failure
	if junk.found && errors.As(err, &f) && f.refused {
		s.m.junk = nil
	}
	return err
}

// peek asks, without leaving the inbox, whether there is anything new in the junk
// folder, and looks at it if so. It is no complete look: a server may answer
// STATUS from a cache.
func (s *session) peek(ctx context.Context) error {
	s.nextPeek = time.Now().Add(peekEvery)
	junk := s.m.junk
	if junk == nil {
		return nil
	}
	var d *imap.StatusData
	err := s.do("status", guard.IMAPReply, func() (err error) {
		d, err = s.client.Status(junk.name, &imap.StatusOptions{UIDNext: true, UIDValidity: true}).Wait()
		return err
	})
	var f *failure
	switch {
	case errors.As(err, &f) && f.refused: // look in earnest
	case err != nil:
		return err
	case d.UIDNext == junk.next && d.UIDValidity == junk.validity && d.UIDNext != 0:
		return nil
	}
	return s.visitJunk(ctx)
}

// visitJunk looks at the junk folder and comes back.
func (s *session) visitJunk(ctx context.Context) error {
	if err := s.enterJunk(ctx); err != nil {
		return err
	}
	return s.enter(ctx, s.m.inbox)
}

// poll asks for news of the inbox and looks if there are any.
func (s *session) poll(ctx context.Context) error {
	if err := s.do("noop", guard.IMAPReply, func() error { return s.client.Noop().Wait() }); err != nil {
		return err
	}
	if s.drain() {
		return s.look(ctx, s.m.inbox, 0)
	}
	return s.remove(s.m.inbox)
}

// drain reports whether the server told of new mail since the last call.
func (s *session) drain() bool {
	select {
	case <-s.news:
		return true
	default:
		return false
	}
}

// watch waits for mail until ctx ends or something fails.
func (s *session) watch(ctx context.Context) error {
	for {
		now := time.Now()
		pause, expecting := s.m.expecting(now)
		var err error
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case s.m.scanWanted() || !now.Before(s.nextScan):
			err = s.scan(ctx)
		case s.removalDue(s.m.inbox, now):
			err = s.remove(s.m.inbox)
		case s.removalDue(s.m.junk, now):
			err = s.visitJunk(ctx)
		case expecting && !now.Before(s.nextPeek):
			err = s.peek(ctx)
		case expecting:
			if sleep(ctx, min(pause, s.untilScan(now)), s.m.wake) {
				err = s.poll(ctx)
			}
		case s.drain():
			err = s.look(ctx, s.m.inbox, 0)
		case s.canIdle:
			err = s.idle(ctx, s.untilScan(now))
		default:
			if sleep(ctx, min(pollWhenIdle, s.untilScan(now)), s.m.wake) {
				err = s.poll(ctx)
			}
		}
		if err != nil {
			return err
		}
	}
}

// untilScan is how long may be waited before something else is due.
func (s *session) untilScan(now time.Time) time.Duration {
	next := s.nextScan
	for _, f := range []*folder{s.m.inbox, s.m.junk} {
		if due, ok := f.due(); s.canRemove && ok && due.Before(next) {
			next = due
		}
	}
	return max(0, next.Sub(now))
}

// idle leaves the mailbox to IDLE (RFC 2177) until there are news, something is
// asked of us, or d is over; then it polls, which shows what IDLE kept back.
func (s *session) idle(ctx context.Context, d time.Duration) error {
	var cmd *imapclient.IdleCommand
	err := s.do("idle", guard.IMAPReply, func() (err error) {
		cmd, err = s.client.Idle()
		return err
	})
	var f *failure
	if errors.As(err, &f) && f.refused {
		s.canIdle = false
		s.m.cfg.Log.Warn("IDLE is refused: polling instead", "err", f)
		return nil
	}
	if err != nil {
		return err
	}
	s.rest(d + s.m.cfg.Watchdog)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-s.news:
		s.tell() // poll is to see it
	case <-s.m.wake:
	case <-s.client.Closed():
	case <-t.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	err = s.do("done", guard.IMAPReply, func() error {
		if err := cmd.Close(); err != nil {
			return err
		}
		return cmd.Wait()
	})
	if err != nil {
		return err
	}
	return s.poll(ctx)
}
