package collect

import (
	"context"
	"errors"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailquorum/probes/guard"
	"mailquorum/probes/tap"
)

// session is one connection to the mailbox. Its methods are called from Run's
// goroutine.
type session struct {
	m      *Mailbox
	wire   *wire
	tap    *tap.Tap // records the dialogue, knows the secrets
	client *imapclient.Client
	caps   imap.CapSet
	news   chan struct{} // capacity 1: the server told of new mail in the selected folder
	at     *folder       // that is selected

	opening *folder // that is being selected

	canIdle   bool
	canRemove bool
	nextScan  time.Time
	nextPeek  time.Time
}

// session connects, logs in and watches until ctx ends or something fails. It
// returns how long the watching worked, and the failure.
func (m *Mailbox) session(ctx context.Context) (up time.Duration, f *failure) {
	record := tap.New(tap.IMAP)
	defer func() { m.fail(ctx, record, f) }()
	w, err := m.connect(ctx, record)
	if err != nil {
		return 0, asFailure(err)
	}
	defer w.release()
	s := &session{m: m, wire: w, tap: record, news: make(chan struct{}, 1)}
	s.client = imapclient.New(s.wire, &imapclient.Options{
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{Mailbox: s.notified},
	})
	defer s.client.Close()
	if err := s.begin(ctx); err != nil {
		return 0, asFailure(err)
	}
	if err := s.scan(ctx); err != nil {
		return 0, asFailure(err)
	}
	began := time.Now()
	err = s.watch(ctx)
	return time.Since(began), asFailure(err)
}

// notified is called from the library's goroutine.
func (s *session) notified(d *imapclient.UnilateralDataMailbox) {
	if d.NumMessages == nil {
		return
	}
	s.tell()
}

// tell notes that there are news.
func (s *session) tell() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// do runs one command of the library, with the server's bytes and time bounded,
// and translates its error.
func (s *session) do(op string, budget guard.Budget, command func() error) error {
	s.wire.guard.Arm(budget, time.Now().Add(s.m.cfg.Watchdog))
	err := command()
	s.rest(2 * maxIdle)
	if err != nil {
		return s.classify(op, err)
	}
	return nil
}

// rest lets the server be silent for d: nothing was asked of it.
func (s *session) rest(d time.Duration) {
	s.wire.guard.Arm(guard.IMAPIdle, time.Now().Add(d))
}

// begin reads the greeting and logs in.
func (s *session) begin(ctx context.Context) error {
	if err := s.do(opGreeting, guard.IMAPReply, s.client.WaitGreeting); err != nil {
		return err
	}
	if s.client.State() != imap.ConnStateNotAuthenticated {
		return unknown(opGreeting, errors.New("the server says that we are logged in"), "PREAUTH is not ours")
	}
	if err := s.capabilities(); err != nil {
		return err
	}
	if err := s.login(ctx); err != nil {
		return err
	}
	// The library asks for the capabilities of those who are logged in, in a
	// goroutine of its own that begins after our login is answered, and is stuck
	// if it comes upon an IDLE: after a NOOP it is on its way.
	if err := s.do("noop", guard.IMAPReply, func() error { return s.client.Noop().Wait() }); err != nil {
		return err
	}
	if err := s.capabilities(); err != nil {
		return err
	}
	s.canIdle = s.caps.Has(imap.CapIdle)
	s.canRemove = s.caps.Has(imap.CapUIDPlus)
	if !s.canRemove {
		s.keepAll("the server lacks UIDPLUS")
	}
	return s.findJunk()
}

func (s *session) capabilities() error {
	return s.do("capability", guard.IMAPReply, func() error {
		if s.caps = s.client.Caps(); s.caps == nil {
			return errors.New("the server names no capabilities")
		}
		return nil
	})
}
