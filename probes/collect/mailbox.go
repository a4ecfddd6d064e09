// Package collect is the IMAP leg: it watches one mailbox over one connection,
// tells of each message that appears in it, and deletes our own canaries.
//
// A mailbox is left to IDLE for the long wait and asked with NOOP while an
// arrival is likely (Expect), for an IDLE notification may be late by design:
// Dovecot's is, by half a second. "Nothing is there" is said only after a
// complete look at all watched folders (Handler.Scanned). Nothing but messages
// that the handler recognised as our own is ever changed.
package collect

import (
	"context"
	"sync"
	"time"

	"mailquorum/probes"
	"mailquorum/probes/tap"
)

// Mailbox watches one mailbox.
type Mailbox struct {
	cfg Config
	err error // of the configuration
	h   Handler

	wake chan struct{} // capacity 1: Expect or Scan was called

	mu       sync.Mutex
	expected []expectation // oldest first
	scan     bool          // a complete scan was asked for
	dialogue probes.Transcript

	// Owned by Run's goroutine, and kept from one connection to the next.
	inbox, junk *folder
	shared      bool // other agents' canaries were seen here, or mail that others deleted at once
	list        bool // ask for the list of folders; not where the server's list cannot be parsed
	saidKeeping bool
	saidNoJunk  bool
}

// New returns a mailbox that Run watches.
func New(cfg Config, h Handler) *Mailbox {
	m := &Mailbox{h: h.withDefaults(), wake: make(chan struct{}, 1), list: true}
	m.cfg, m.err = cfg.withDefaults()
	m.inbox = &folder{name: m.cfg.Folder}
	if m.cfg.Junk != "" {
		m.junk = &folder{name: m.cfg.Junk, junk: true}
	}
	return m
}

// Run watches the mailbox until ctx ends, and connects again after failures. It
// returns nil when ctx ended, or what is wrong with the configuration. It may be
// called once.
func (m *Mailbox) Run(ctx context.Context) error {
	if m.err != nil {
		return m.err
	}
	p := newPauses(m.cfg.Backoff)
	for {
		up, err := m.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if p.free(up, err) {
			m.cfg.Log.Info("connection lost, connecting again", "err", err) // the handler is not told
			continue
		}
		pause := p.next(up, err)
		m.cfg.Log.Debug("connecting again later", "pause", pause)
		m.h.Failed(err.is)
		if !sleep(ctx, pause, nil) {
			return nil
		}
	}
}

// Scan asks for a complete look at all watched folders soon. It does not block.
func (m *Mailbox) Scan() {
	m.mu.Lock()
	m.scan = true
	m.mu.Unlock()
	m.kick()
}

// scanWanted returns whether Scan was called since it last returned true.
func (m *Mailbox) scanWanted() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	yes := m.scan
	m.scan = false
	return yes
}

func (m *Mailbox) kick() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// seen hands a sighting over and keeps account of what is expected.
func (m *Mailbox) seen(s Sighting) (own bool) {
	own = m.h.Seen(s)
	if own {
		m.arrived()
	}
	return own
}

// fail keeps the dialogue of a session that failed.
func (m *Mailbox) fail(ctx context.Context, record *tap.Tap, f *failure) {
	if f == nil || ctx.Err() != nil {
		return
	}
	record.Note("%s: %s", f.is.Outcome, f)
	m.mu.Lock()
	m.dialogue = record.Transcript()
	m.mu.Unlock()
}

// Dialogue returns what was said in the last session that failed, without
// secrets and without mail. It is in place before Handler.Failed is called, and
// may be asked for from any goroutine.
func (m *Mailbox) Dialogue() probes.Transcript {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dialogue
}

// sleep waits for d, or until wake or ctx. It reports whether ctx still lives.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-wake:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
