package collect

import (
	"errors"
	"time"

	"github.com/emersion/go-imap/v2"

	"mailquorum/probes/guard"
)

// doomed is an own canary that is deleted when its time has come.
type doomed struct {
	uid imap.UID
	due time.Time
}

// removeAtOnce bounds one deletion.
const removeAtOnce = 256

// remove deletes the own canaries that are due in the selected folder, by UID
// and only by UID: a plain EXPUNGE would take other people's mail that is marked
// \Deleted with it (RFC 9051 section 6.4.9).
func (s *session) remove(f *folder) error {
	for s.canRemove {
		var set imap.UIDSet
		n, now := 0, time.Now()
		for n < min(len(f.doomed), removeAtOnce) && !now.Before(f.doomed[n].due) {
			set.AddNum(f.doomed[n].uid)
			n++
		}
		if n == 0 {
			return nil
		}
		err := s.do("delete", guard.IMAPReply, func() error {
			return s.client.Store(set, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close()
		})
		if err == nil {
			err = s.do("delete", guard.IMAPReply, func() error { return s.client.UIDExpunge(set).Close() })
		}
		var no *failure
		if errors.As(err, &no) && no.refused {
			s.canRemove = false // in this session; the mailbox may be read-only for a while
			s.keepAll(no.Error())
			return nil
		}
		if err != nil {
			return err
		}
		f.doomed = append(f.doomed[:0], f.doomed[n:]...)
	}
	return nil
}

// keepAll says, once, that canaries pile up.
func (s *session) keepAll(why string) {
	if !s.m.saidKeeping {
		s.m.saidKeeping = true
		s.m.cfg.Log.Warn("own canaries are left in the mailbox: empty it now and then", "reason", why)
	}
}

// due returns when the first own canary of the folder is to be deleted.
func (f *folder) due() (time.Time, bool) {
	if f == nil || len(f.doomed) == 0 {
		return time.Time{}, false
	}
	return f.doomed[0].due, true
}

// removalDue reports whether something is to be deleted from the folder now.
func (s *session) removalDue(f *folder, now time.Time) bool {
	due, ok := f.due()
	return s.canRemove && ok && !now.Before(due)
}
