package collect

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailquorum/probes"
	"mailquorum/probes/guard"
)

// Bounds of one look. Each FETCH stays well below the guard's budget of 8 MiB.
const (
	batch  = 64      // messages that are fetched at a time
	window = 150_000 // UIDs that are listed at a time, 40 bytes each
)

// look fetches and hands over what is new in the selected folder, in batches of
// bounded size, and deletes what is our own. The server has said that identifiers
// below next are taken; 0: it has not said.
func (s *session) look(ctx context.Context, f *folder, next imap.UID) error {
	before, listed := f.last, 0
	width := imap.UID(window)
	for more := true; more; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		list, err := s.newUIDs(f, width)
		if err != nil {
			return err
		}
		if len(list.uids) == 0 {
			width *= min(4, math.MaxUint32/width) // identifiers may lie far apart
		} else {
			width = window
		}
		listed += len(list.uids)
		for part := range slices.Chunk(list.uids, batch) {
			if err := s.take(ctx, f, part, list.at); err != nil {
				return err
			}
		}
		f.passed(list.upTo)
		more = list.more
	}
	if next > 0 {
		f.passed(next - 1) // what is gone by now need not be missed again
	}
	if f.session == s && int64(f.last-before) > int64(listed) {
		s.m.shared = true // mail comes and goes under our eyes: others delete theirs here
	}
	f.session = s
	return s.remove(f)
}

// take fetches and hands over one batch.
func (s *session) take(ctx context.Context, f *folder, uids []imap.UID, at time.Time) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	msgs, err := s.headers(f, uids)
	if err != nil {
		return err
	}
	bodies, err := s.bodies(f, msgs)
	if err != nil {
		return err
	}
	for _, msg := range msgs {
		s.show(f, msg, bodies[msg.uid], at)
	}
	f.passed(uids[len(uids)-1])
	return s.remove(f)
}

// show hands one message over.
func (s *session) show(f *folder, msg message, body []byte, at time.Time) {
	sight := Sighting{Mailbox: s.m.cfg.Name, Folder: f.name, Junk: f.junk,
		UID: uint32(msg.uid), UIDValidity: f.validity, Internal: msg.internal, At: at, Size: msg.size,
		Header: msg.content, Tags: probes.TagsIn(msg.content)}
	if body != nil {
		if probes.LooksLikeCanary(msg.content) {
			sight.Tags = probes.TagsInBody(body)
		} else if d, ok := probes.ReadDSN(body); ok {
			sight.DSN = &d
		}
	}
	switch own := s.m.seen(sight); {
	case own:
		if s.canRemove {
			f.doomed = append(f.doomed, doomed{msg.uid, time.Now().Add(s.m.cfg.Keep)})
		}
	case len(sight.Tags) > 0:
		s.m.shared = true
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
func (s *session) newUIDs(f *folder, width imap.UID) (l listing, err error) {
	if f.last == math.MaxUint32 {
		return l, nil
	}
	span := imap.UIDRange{Start: f.last + 1}
	if f.next > span.Start && f.next-span.Start > width {
		span.Stop = f.last + width
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
