package collect

import (
	"errors"
	"strings"

	"github.com/emersion/go-imap/v2"

	"mailquorum/probes"
	"mailquorum/probes/guard"
)

// usualJunk are the names of junk folders in order of preference, lower case.
var usualJunk = []string{"junk", "spam", "junk e-mail", "junk email", "junk mail", "bulk mail", "bulk"}

// findJunk finds the junk folder, once for the life of the process.
func (s *session) findJunk() error {
	m := s.m
	if m.junk != nil || !m.list {
		return nil
	}
	m.list = false // a list that our parser dies of would keep us from ever reading
	var name string
	var err error
	if s.caps.Has(imap.CapSpecialUse) && s.caps.Has(imap.CapListExtended) {
		name, err = s.listJunk(&imap.ListOptions{ReturnSpecialUse: true})
	}
	var f *failure
	if name == "" && (err == nil || errors.As(err, &f) && f.refused) {
		name, err = s.listJunk(nil) // many a server marks \Junk there too
	}
	if err != nil {
		m.cfg.Log.Warn("the list of folders cannot be read: no junk folder is watched unless you name it", "err", err)
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

// listJunk returns the best candidate, if any.
func (s *session) listJunk(opts *imap.ListOptions) (name string, err error) {
	best := len(usualJunk)
	err = s.do("list", guard.IMAPFetch, func() error {
		cmd := s.client.List("", "*", opts)
		for d := cmd.Next(); d != nil; d = cmd.Next() {
			if r := junkRank(d); r < best {
				name, best = d.Mailbox, r
			}
		}
		return cmd.Close()
	})
	return name, err
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
