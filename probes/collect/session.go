package collect

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"

	"mailquorum/probes"
	"mailquorum/probes/guard"
)

// session is one connection to the mailbox. Its methods are called from Run's
// goroutine.
type session struct {
	m      *Mailbox
	wire   *wire
	client *imapclient.Client
	caps   imap.CapSet
	news   chan struct{} // capacity 1: the server told of new mail in the selected folder
	at     *folder       // that is selected

	canIdle   bool
	canRemove bool
	nextScan  time.Time
	nextPeek  time.Time
}

// session connects, logs in and watches until ctx ends or something fails. It
// returns how long the watching worked, and the failure.
func (m *Mailbox) session(ctx context.Context) (up time.Duration, f *failure) {
	w, err := m.connect(ctx)
	if err != nil {
		return 0, asFailure(err)
	}
	defer w.release()
	s := &session{m: m, wire: w, news: make(chan struct{}, 1)}
	s.client = imapclient.New(s.wire, &imapclient.Options{
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{Mailbox: s.notified},
	})
	defer s.client.Close()
	if err := s.begin(); err != nil {
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
func (s *session) begin() error {
	if err := s.do(opGreeting, guard.IMAPReply, s.client.WaitGreeting); err != nil {
		return err
	}
	if s.client.State() != imap.ConnStateNotAuthenticated {
		return unknown(opGreeting, errors.New("the server says that we are logged in"), "PREAUTH is not ours")
	}
	if err := s.capabilities(); err != nil {
		return err
	}
	if err := s.login(); err != nil {
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
	if !s.canRemove && !s.m.saidKeeping {
		s.m.saidKeeping = true
		s.m.cfg.Log.Warn("the server lacks UIDPLUS: canaries are left in the mailbox, empty it now and then")
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

func (s *session) login() error {
	cfg := s.m.cfg
	mech := cfg.Mechanism
	if mech == "" {
		mech = MechanismLogin
		if s.caps.Has(imap.AuthCap("PLAIN")) {
			mech = MechanismPlain
		}
	}
	if mech == MechanismLogin && s.caps.Has(imap.CapLoginDisabled) {
		return unknown(opLogin, errors.New("the server disables LOGIN"), "set mechanism plain, or TLS")
	}
	return s.do(opLogin, guard.IMAPReply, func() error {
		if mech == MechanismPlain {
			return s.client.Authenticate(sasl.NewPlainClient("", cfg.Username, cfg.Password.Reveal()))
		}
		return s.client.Login(cfg.Username, cfg.Password.Reveal()).Wait()
	})
}

// redact hides the password where a server repeats it.
func (s *session) redact(text string) string {
	if len(s.m.cfg.Password.Reveal()) < 4 {
		return text
	}
	pw := s.m.cfg.Password.Reveal()
	sasl := base64.StdEncoding.EncodeToString([]byte("\x00" + s.m.cfg.Username + "\x00" + pw))
	return strings.NewReplacer(pw, s.m.cfg.Password.String(), sasl, s.m.cfg.Password.String()).Replace(text)
}

// usualJunk are the names of junk folders in order of preference, lower case.
var usualJunk = []string{"junk", "spam", "junk e-mail", "junk email", "junk mail", "bulk mail", "bulk"}

// findJunk finds the junk folder, once for the life of the process.
func (s *session) findJunk() error {
	m := s.m
	if m.junk != nil || !m.list {
		return nil
	}
	m.list = false // a list that our parser dies of would keep us from ever reading
	var opts *imap.ListOptions
	if s.caps.Has(imap.CapSpecialUse) && s.caps.Has(imap.CapListExtended) {
		opts = &imap.ListOptions{ReturnSpecialUse: true}
	}
	var name string
	best := len(usualJunk)
	err := s.do("list", guard.IMAPFetch, func() error {
		cmd := s.client.List("", "*", opts)
		for d := cmd.Next(); d != nil; d = cmd.Next() {
			if r := junkRank(d); r < best {
				name, best = d.Mailbox, r
			}
		}
		return cmd.Close()
	})
	if err != nil {
		return err
	}
	m.list = true // it works: look again with the next connection if there was none
	if name == "" || name == m.cfg.Folder {
		if !m.saidNoJunk {
			m.saidNoJunk = true
			m.cfg.Log.Warn("no junk folder found: only the inbox is watched")
		}
		return nil
	}
	m.junk = &folder{name: name, junk: true, found: true}
	m.cfg.Log.Info("junk folder found", "folder", probes.Clean(name))
	return nil
}

// junkRank orders candidates: smaller is better, len(usualJunk) is none.
func junkRank(d *imap.ListData) int {
	for _, a := range d.Attrs {
		switch a {
		case imap.MailboxAttrJunk:
			return -1
		case imap.MailboxAttrNoSelect, imap.MailboxAttrNonExistent:
			return len(usualJunk)
		}
	}
	low := strings.ToLower(d.Mailbox)
	if d.Delim != 0 {
		low = low[strings.LastIndex(low, strings.ToLower(string(d.Delim)))+1:]
	}
	for i, n := range usualJunk {
		if low == n {
			return i
		}
	}
	return len(usualJunk)
}

// limited reads at most n bytes of a literal and drops the rest.
func limited(r io.Reader, n int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, n))
	if err != nil {
		return b, err
	}
	_, err = io.Copy(io.Discard, r)
	return b, err
}
