package mailtest

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// The folders of every account.
const (
	Inbox     = "INBOX"
	JunkBox   = "Junk"
	TrashBox  = "Trash"
	SentBox   = "Sent"
	delimiter = '/'
)

// account is a user and the mailboxes that imapmemserver keeps for him.
type account struct {
	name, password string
	user           *imapmemserver.User

	mu      sync.Mutex
	folders map[string]imap.MailboxAttr // name to special use, RFC 6154; "": none
	changed chan struct{}               // closed and replaced at every change
}

func newAccount(u User) (*account, error) {
	a := &account{
		name: u.Name, password: u.Password,
		user:    imapmemserver.NewUser(u.Name, u.Password),
		folders: map[string]imap.MailboxAttr{Inbox: "", JunkBox: imap.MailboxAttrJunk, TrashBox: imap.MailboxAttrTrash, SentBox: imap.MailboxAttrSent},
		changed: make(chan struct{}),
	}
	for _, folder := range a.list() {
		if err := a.user.Create(folder, nil); err != nil {
			return nil, fmt.Errorf("making folder %s: %w", folder, err)
		}
	}
	return a, nil
}

func (a *account) list() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	names := make([]string, 0, len(a.folders))
	for name := range a.folders {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func (a *account) special(folder string) imap.MailboxAttr {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.folders[folder]
}

// rename records that a folder was made (old is empty), renamed or deleted (new
// is empty).
func (a *account) rename(old, new string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	use := a.folders[old]
	delete(a.folders, old)
	if new != "" {
		a.folders[new] = use
	}
}

// watch returns a channel that is closed at the next change of any folder.
func (a *account) watch() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.changed
}

func (a *account) notify() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.changed)
	a.changed = make(chan struct{})
}

// store puts a message into a folder.
func (a *account) store(folder string, raw []byte, at time.Time) (imap.UID, error) {
	data, err := a.user.Append(folder, literal{bytes.NewReader(raw)}, &imap.AppendOptions{Time: at})
	if err != nil {
		return 0, fmt.Errorf("storing into %s of %s: %w", folder, a.name, err)
	}
	a.notify()
	return data.UID, nil
}

// empty removes all messages of a folder.
func (a *account) empty(folder string) (err error) {
	s := imapmemserver.NewUserSession(a.user)
	if _, err := s.Select(folder, &imap.SelectOptions{}); err != nil {
		return fmt.Errorf("emptying %s of %s: %w", folder, a.name, err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	all := imap.UIDSet{imap.UIDRange{Start: 1, Stop: 0}}
	deleted := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}
	if err := s.Store(nil, all, deleted, nil); err != nil {
		return fmt.Errorf("emptying %s of %s: %w", folder, a.name, err)
	}
	if err := s.Expunge(nil, nil); err != nil {
		return fmt.Errorf("emptying %s of %s: %w", folder, a.name, err)
	}
	a.notify()
	return nil
}

// count is the number of messages in a folder.
func (a *account) count(folder string) (int, error) {
	status, err := a.user.Status(folder, &imap.StatusOptions{NumMessages: true})
	if err != nil {
		return 0, fmt.Errorf("counting %s of %s: %w", folder, a.name, err)
	}
	return int(*status.NumMessages), nil
}

// literal makes a byte reader what imapmemserver wants.
type literal struct{ *bytes.Reader }

// Size is the message's length in bytes.
func (l literal) Size() int64 { return l.Reader.Size() }
