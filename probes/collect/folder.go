package collect

import (
	"errors"
	"fmt"

	"github.com/emersion/go-imap/v2"

	"mailquorum/probes"
	"mailquorum/probes/guard"
)

// folder is what is known of one folder, over all connections.
type folder struct {
	name  string
	junk  bool
	found bool // by us, not configured

	validity uint32   // 0: never selected
	last     imap.UID // up to here everything was looked at
	next     imap.UID // UIDNEXT when it was last looked at
	foreign  bool     // it held mail that is no canary of anybody
	doomed   []doomed // own canaries, oldest first
	session  *session // that last looked at it

	deadly []imap.UID // being read when our parser died
	closed bool       // our parser died of the text of a message: headers must do
}

// reset forgets what was known of the folder's messages.
func (s *session) reset(f *folder, reason string) {
	*f = folder{name: f.name, junk: f.junk, found: f.found, validity: f.validity}
	s.m.h.Reset(probes.Clean(f.name) + ": " + reason)
}

// open selects the folder and compares it with what was known of it.
func (s *session) open(f *folder) error {
	var d *imap.SelectData
	s.opening = f
	err := s.do("select", guard.IMAPReply, func() (err error) {
		d, err = s.client.Select(f.name, nil).Wait()
		return err
	})
	s.opening = nil
	if err != nil {
		return err
	}
	s.at = f
	if d.UIDValidity == 0 {
		return unknown("select", errors.New("the answer names no UIDVALIDITY"), "without lasting identifiers (RFC 9051 section 2.3.1.1) this mailbox cannot be watched")
	}
	known := f.validity != 0
	old := f.validity
	f.validity = d.UIDValidity
	switch {
	case !known:
	case old != d.UIDValidity:
		s.reset(f, fmt.Sprintf("UIDVALIDITY changed from %d to %d", old, d.UIDValidity))
	case d.UIDNext != 0 && d.UIDNext <= f.last:
		s.reset(f, fmt.Sprintf("UIDNEXT went back to %d", d.UIDNext))
	case d.NumMessages == 0 && f.foreign:
		s.reset(f, "emptied")
	case d.NumMessages == 0 && d.UIDNext > f.last+1 && f.session != s && !s.m.shared:
		// Somebody deletes, and it is not us: mail came and went while we were not
		// connected.
		s.reset(f, "emptied while it was not watched")
	}
	f.next = d.UIDNext
	return nil
}

// passed notes that everything up to uid was looked at.
func (f *folder) passed(uid imap.UID) {
	f.last = max(f.last, uid)
	f.next = max(f.next, f.last+1)
}
