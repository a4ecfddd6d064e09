package mailtest

import (
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-sasl"
)

// imapCaps are what the provider's IMAP server announces; imapserver adds what
// follows from the connection's state (IDLE, UNSELECT, ENABLE, SASL-IR, ...).
func imapCaps() imap.CapSet {
	return imap.CapSet{
		imap.CapIMAP4rev1: {}, imap.CapUIDPlus: {}, imap.CapMove: {}, imap.CapNamespace: {},
		imap.CapESearch: {}, imap.CapListExtended: {}, imap.CapListStatus: {}, imap.CapSpecialUse: {},
	}
}

// imapSession is one IMAP connection. It overrides what imapmemserver lacks:
// special use, notification of other sessions, and an IDLE that misses nothing.
type imapSession struct {
	*imapmemserver.UserSession // nil until logged in
	p                          *Provider
	a                          *account
}

// Login is called by LOGIN and by both SASL mechanisms.
func (s *imapSession) Login(username, password string) error {
	a := s.p.login(username, password)
	if a == nil {
		return imapserver.ErrAuthFailed
	}
	s.a, s.UserSession = a, imapmemserver.NewUserSession(a.user)
	return nil
}

// AuthenticateMechanisms lists the SASL mechanisms.
func (s *imapSession) AuthenticateMechanisms() []string { return []string{sasl.Plain, sasl.Login} }

// Authenticate starts a SASL exchange.
func (s *imapSession) Authenticate(mech string) (sasl.Server, error) {
	if srv := newSASL(mech, s.Login); srv != nil {
		return srv, nil
	}
	return nil, &imap.Error{Type: imap.StatusResponseTypeNo, Text: "SASL mechanism not supported"}
}

// Idle writes updates until stop is closed. imapmemserver's own Idle loses what
// happens between "+ idling" and its first look, and wakes for nothing else.
func (s *imapSession) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	s.p.running.Add(1)
	defer s.p.running.Done()
	for {
		changed := s.a.watch()
		if err := s.Poll(w, true); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-stop:
			return nil
		}
		if !s.p.pause(s.p.cfg.IdleDelay, stop) {
			return nil
		}
	}
}

// pause sleeps for d; it reports whether neither stop nor the provider ended.
func (p *Provider) pause(d time.Duration, stop <-chan struct{}) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-stop:
	case <-p.done:
	}
	return false
}

// List is imapmemserver's with special use (RFC 6154), which is shown always.
func (s *imapSession) List(w *imapserver.ListWriter, ref string, patterns []string, options *imap.ListOptions) error {
	if len(patterns) == 0 {
		return s.UserSession.List(w, ref, patterns, options)
	}
	for _, name := range s.a.list() {
		use := s.a.special(name)
		if !matches(name, ref, patterns) || options.SelectSpecialUse && use == "" {
			continue
		}
		data := imap.ListData{Mailbox: name, Delim: delimiter}
		if use != "" {
			data.Attrs = append(data.Attrs, use)
		}
		if options.ReturnStatus != nil {
			status, err := s.Status(name, options.ReturnStatus)
			if err != nil {
				continue // deleted meanwhile
			}
			data.Status = status
		}
		if err := w.WriteList(&data); err != nil {
			return err
		}
	}
	return nil
}

func matches(name, ref string, patterns []string) bool {
	for _, pattern := range patterns {
		if imapserver.MatchList(name, delimiter, ref, pattern) {
			return true
		}
	}
	return false
}

// Create, Delete and Rename keep the list of folders.
func (s *imapSession) Create(name string, options *imap.CreateOptions) error {
	err := s.UserSession.Create(name, options)
	if err == nil {
		s.a.rename("", name)
	}
	return err
}

// Delete removes a folder.
func (s *imapSession) Delete(name string) error {
	err := s.UserSession.Delete(name)
	if err == nil {
		s.a.rename(name, "")
	}
	return err
}

// Rename renames a folder.
func (s *imapSession) Rename(name, to string, options *imap.RenameOptions) error {
	err := s.UserSession.Rename(name, to, options)
	if err == nil {
		s.a.rename(name, to)
	}
	return err
}

// Append, Copy, Move, Store and Expunge tell the account's other sessions.
func (s *imapSession) Append(mailbox string, r imap.LiteralReader, options *imap.AppendOptions) (*imap.AppendData, error) {
	defer s.a.notify()
	return s.UserSession.Append(mailbox, r, options)
}

// Copy copies messages to another folder.
func (s *imapSession) Copy(numSet imap.NumSet, dest string) (*imap.CopyData, error) {
	defer s.a.notify()
	return s.UserSession.Copy(numSet, dest)
}

// Move moves messages to another folder.
func (s *imapSession) Move(w *imapserver.MoveWriter, numSet imap.NumSet, dest string) error {
	defer s.a.notify()
	return s.UserSession.Move(w, numSet, dest)
}

// Store changes flags.
func (s *imapSession) Store(w *imapserver.FetchWriter, numSet imap.NumSet, flags *imap.StoreFlags, options *imap.StoreOptions) error {
	defer s.a.notify()
	return s.UserSession.Store(w, numSet, flags, options)
}

// Expunge removes messages marked as deleted.
func (s *imapSession) Expunge(w *imapserver.ExpungeWriter, uids *imap.UIDSet) error {
	defer s.a.notify()
	return s.UserSession.Expunge(w, uids)
}
