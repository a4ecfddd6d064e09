package collect

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

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
	shared   bool     // it held canaries that are not ours
	doomed   []doomed // own canaries, oldest first
}

// Bounds of one look. Each FETCH stays well below the guard's budget of 8 MiB.
const (
	maxHeader = 64 << 10 // bytes of a header that are fetched
	batch     = 64       // messages whose headers are fetched at a time
	window    = 150_000  // UIDs that are listed at a time, 40 bytes each
)

// reset forgets what was known of the folder's messages.
func (s *session) reset(f *folder, reason string) {
	*f = folder{name: f.name, junk: f.junk, found: f.found, validity: f.validity, shared: f.shared}
	s.m.cfg.Log.Warn("resynchronising", "folder", probes.Clean(f.name), "reason", reason)
	s.m.h.Reset(probes.Clean(f.name) + ": " + reason)
}

// open selects the folder and compares it with what was known of it. blind says
// that the folder was not watched since it was last looked at.
func (s *session) open(f *folder, blind bool) error {
	var d *imap.SelectData
	err := s.do("select", guard.IMAPReply, func() (err error) {
		d, err = s.client.Select(f.name, nil).Wait()
		return err
	})
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
	case d.NumMessages > 0:
	case f.foreign:
		s.reset(f, "emptied")
	case blind && !f.shared && d.UIDNext > f.last+1:
		// Somebody deletes, and it is not us: mail came and went while nobody looked.
		s.reset(f, "emptied while it was not watched")
		f.last = d.UIDNext - 1
	}
	f.next = d.UIDNext
	return nil
}

// look fetches and hands over what is new in the selected folder, in batches of
// bounded size, and deletes what is our own.
func (s *session) look(ctx context.Context, f *folder) error {
	for more := true; more; {
		list, err := s.newUIDs(f)
		if err != nil {
			return err
		}
		for part := range slices.Chunk(list.uids, batch) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			msgs, err := s.headers(f, part)
			if err != nil {
				return err
			}
			for _, msg := range msgs {
				s.show(f, msg, list.at)
			}
			f.passed(part[len(part)-1])
			if err := s.remove(f); err != nil {
				return err
			}
		}
		f.passed(list.upTo)
		more = list.more
	}
	return s.remove(f)
}

// passed notes that everything up to uid was looked at.
func (f *folder) passed(uid imap.UID) {
	f.last = max(f.last, uid)
	f.next = max(f.next, f.last+1)
}

// show hands one message over.
func (s *session) show(f *folder, msg message, at time.Time) {
	sight := Sighting{Mailbox: s.m.cfg.Name, Folder: f.name, Junk: f.junk,
		UID: uint32(msg.uid), UIDValidity: f.validity, Internal: msg.internal, At: at, Size: msg.size,
		Header: msg.header, Tags: tagsIn(msg.header)}
	switch own := s.m.seen(sight); {
	case own:
		if s.canRemove {
			f.doomed = append(f.doomed, doomed{msg.uid, time.Now().Add(s.m.cfg.Keep)})
		}
	case len(sight.Tags) > 0:
		f.shared = true
	default:
		f.foreign = true
	}
}

// listing is some of the messages that were not looked at yet.
type listing struct {
	uids []imap.UID // ascending
	at   time.Time  // when the list came
	upTo imap.UID   // it is complete up to here
	more bool       // there may be more above
}

// newUIDs lists what was not looked at yet, in windows where that may be a lot.
func (s *session) newUIDs(f *folder) (l listing, err error) {
	if f.last == math.MaxUint32 {
		return l, nil
	}
	span := imap.UIDRange{Start: f.last + 1}
	if f.next > span.Start && f.next-span.Start > window {
		span.Stop = f.last + window
		l.upTo, l.more = span.Stop, true
	}
	l.uids, err = s.uidsOf(imap.UIDSet{span})
	l.at = time.Now()
	slices.Sort(l.uids)
	l.uids = slices.Compact(l.uids)
	// n:* names the last message even where all are below n: drop what is known.
	for len(l.uids) > 0 && l.uids[0] <= f.last {
		l.uids = l.uids[1:]
	}
	return l, err
}

// uidsOf returns which of the set exist.
func (s *session) uidsOf(set imap.UIDSet) (uids []imap.UID, err error) {
	err = s.do("list of messages", guard.IMAPFetch, func() error {
		cmd := s.client.Fetch(set, &imap.FetchOptions{UID: true})
		for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
			for item := msg.Next(); item != nil; item = msg.Next() {
				if u, ok := item.(imapclient.FetchItemDataUID); ok {
					uids = append(uids, u.UID)
				}
			}
		}
		return cmd.Close()
	})
	return uids, err
}

// message is what is fetched of a message.
type message struct {
	uid      imap.UID
	internal time.Time
	size     int64
	header   []byte
}

// headers fetches the headers of the given messages, ascending. Where the server
// refuses (a message that it cannot read itself) it finds out which ones, and
// leaves those out.
func (s *session) headers(f *folder, uids []imap.UID) ([]message, error) {
	msgs, err := s.fetch(uids)
	var no *failure
	switch {
	case err == nil:
	case !errors.As(err, &no) || !no.refused:
		return nil, err
	case len(uids) == 1:
		s.m.cfg.Log.Warn("the server cannot read a message, it is left out", "folder", probes.Clean(f.name), "uid", uids[0], "err", no)
		return nil, nil
	default:
		head, err := s.headers(f, uids[:len(uids)/2])
		if err != nil {
			return nil, err
		}
		tail, err := s.headers(f, uids[len(uids)/2:])
		return append(head, tail...), err
	}
	slices.SortFunc(msgs, func(a, b message) int { return int(int64(a.uid) - int64(b.uid)) })
	return msgs, s.complete(msgs, uids)
}

// complete makes sure that what the server left out is gone: somebody may delete
// at any time, but a mail that is there and not given must not be passed over.
func (s *session) complete(msgs []message, uids []imap.UID) error {
	var missing imap.UIDSet
	for _, uid := range uids {
		if _, ok := slices.BinarySearchFunc(msgs, uid, func(m message, u imap.UID) int { return int(int64(m.uid) - int64(u)) }); !ok {
			missing.AddNum(uid)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	still, err := s.uidsOf(missing)
	if err != nil {
		return err
	}
	for _, uid := range still {
		if missing.Contains(uid) {
			return unknown("fetch", fmt.Errorf("message %d is listed and not given", uid), "")
		}
	}
	return nil
}

// fetch gets the headers of the messages, unread as they were (PEEK).
func (s *session) fetch(uids []imap.UID) (msgs []message, err error) {
	opts := &imap.FetchOptions{UID: true, InternalDate: true, RFC822Size: true,
		BodySection: []*imap.FetchItemBodySection{{Specifier: imap.PartSpecifierHeader, Peek: true,
			Partial: &imap.SectionPartial{Size: maxHeader}}}}
	err = s.do("fetch", guard.IMAPFetch, func() error {
		cmd := s.client.Fetch(imap.UIDSetNum(uids...), opts)
		for data := cmd.Next(); data != nil; data = cmd.Next() {
			if msg := read(data); msg.uid != 0 {
				msgs = append(msgs, msg)
			}
		}
		return cmd.Close()
	})
	return msgs, err
}

// read takes one message out of the stream.
func read(data *imapclient.FetchMessageData) (msg message) {
	for item := data.Next(); item != nil; item = data.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			msg.uid = item.UID
		case imapclient.FetchItemDataInternalDate:
			msg.internal = item.Time
		case imapclient.FetchItemDataRFC822Size:
			msg.size = item.Size
		case imapclient.FetchItemDataBodySection:
			if item.Literal != nil {
				msg.header, _ = limited(item.Literal, maxHeader) // a broken stream fails the command
			}
		}
	}
	return msg
}
