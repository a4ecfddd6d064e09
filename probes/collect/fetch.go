package collect

import (
	"cmp"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailquorum/probes"
	"mailquorum/probes/guard"
)

// Bounds of what is fetched of a message, in bytes.
const (
	maxHeader = 64 << 10
	maxBody   = 64 << 10 // of the whole message, where the header does not tell enough
)

// headerOf is a message's header, as far as we read it.
var headerOf = &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, Peek: true, Partial: &imap.SectionPartial{Size: maxHeader}}

// message is what is fetched of a message.
type message struct {
	uid      imap.UID
	internal time.Time
	size     int64
	content  []byte
}

// headers fetches the headers of the given messages, ascending. A response that
// our parser dies of ends the connection; with the next one the batch is halved,
// and halved again, until the message that does it is alone and left out: one odd
// mail must not keep us from reading for ever.
func (s *session) headers(f *folder, uids []imap.UID) (msgs []message, err error) {
	for _, part := range f.aroundDeadly(uids) {
		if len(part) == 1 && slices.Equal(part, f.deadly) {
			s.m.cfg.Log.Warn("our parser cannot read a message, it is left out", "folder", probes.Clean(f.name), "uid", part[0])
			f.deadly = nil
			continue
		}
		more, err := s.readable(f, part)
		if err != nil {
			var u *failure
			if errors.As(err, &u) && u.is.Outcome == probes.Unknown {
				f.deadly = slices.Clone(part)
			}
			return nil, err
		}
		msgs = append(msgs, more...)
	}
	f.deadly = nil
	return msgs, nil
}

// aroundDeadly splits a batch at the messages that were being read when our
// parser died: those before, those in two halves, those after.
func (f *folder) aroundDeadly(uids []imap.UID) (parts [][]imap.UID) {
	if len(f.deadly) == 0 {
		return [][]imap.UID{uids}
	}
	from, _ := slices.BinarySearch(uids, f.deadly[0])
	to, _ := slices.BinarySearch(uids, f.deadly[len(f.deadly)-1]+1)
	cuts := []int{0, from, from + (to-from)/2, to, len(uids)}
	if to-from == 1 {
		f.deadly = slices.Clone(uids[from:to])
	}
	for i := range cuts[1:] {
		if part := uids[cuts[i]:cuts[i+1]]; len(part) > 0 {
			parts = append(parts, part)
		}
	}
	return parts
}

// readable fetches the headers of the given messages. Where the server refuses (a
// message that it cannot read itself) it finds out which ones, and leaves those
// out.
func (s *session) readable(f *folder, uids []imap.UID) ([]message, error) {
	msgs, err := s.fetch(uids, headerOf, maxHeader)
	var no *failure
	switch {
	case err == nil:
	case !errors.As(err, &no) || !no.refused:
		return nil, err
	case len(uids) == 1:
		s.m.cfg.Log.Warn("the server cannot read a message, it is left out", "folder", probes.Clean(f.name), "uid", uids[0], "err", no)
		return nil, nil
	default:
		head, err := s.readable(f, uids[:len(uids)/2])
		if err != nil {
			return nil, err
		}
		tail, err := s.readable(f, uids[len(uids)/2:])
		return append(head, tail...), err
	}
	return s.complete(msgs, uids)
}

// tries is how often a message that is listed and not given is asked for.
const tries = 3

// complete makes sure that what the server left out is gone: somebody may delete
// at any time, but a mail that is there must not be passed over. It is asked for
// again, for go-imap takes what is told of another session's doings in between
// (FETCH with flags) for the answer, and drops the answer.
func (s *session) complete(msgs []message, uids []imap.UID) ([]message, error) {
	for range tries {
		slices.SortFunc(msgs, func(a, b message) int { return cmp.Compare(a.uid, b.uid) })
		var missing imap.UIDSet
		for _, uid := range uids {
			if _, ok := slices.BinarySearchFunc(msgs, uid, func(m message, u imap.UID) int { return cmp.Compare(m.uid, u) }); !ok {
				missing.AddNum(uid)
			}
		}
		if len(missing) == 0 {
			return msgs, nil
		}
		still, err := s.uidsOf(missing)
		if err != nil {
			return nil, err
		}
		still = slices.DeleteFunc(still, func(uid imap.UID) bool { return !missing.Contains(uid) })
		if len(still) == 0 {
			return msgs, nil
		}
		more, err := s.fetch(still, headerOf, maxHeader)
		if err != nil {
			return nil, err
		}
		msgs = append(msgs, more...)
	}
	return nil, unknown("fetch", errors.New("messages are listed and not given"), "")
}

// bodies fetches the beginnings of those messages whose header does not tell what
// they are: bounces, and canaries that lost their tag on the way.
func (s *session) bodies(f *folder, msgs []message) (map[imap.UID][]byte, error) {
	var uids []imap.UID
	for _, msg := range msgs {
		if len(probes.TagsIn(msg.content)) == 0 && (probes.LooksLikeDSN(msg.content) || probes.LooksLikeCanary(msg.content)) {
			uids = append(uids, msg.uid)
		}
	}
	if len(uids) == 0 || f.closed {
		return nil, nil
	}
	whole, err := s.fetch(uids, &imap.FetchItemBodySection{Peek: true, Partial: &imap.SectionPartial{Size: maxBody}}, maxBody)
	var no *failure
	switch {
	case err == nil:
	case errors.As(err, &no) && no.refused:
		s.m.cfg.Log.Warn("the server does not give the text of messages", "folder", probes.Clean(f.name), "err", no)
		return nil, nil
	case no != nil && no.is.Outcome == probes.Unknown:
		f.closed = true // do not die of it again
		fallthrough
	default:
		return nil, err
	}
	bodies := make(map[imap.UID][]byte, len(whole))
	for _, msg := range whole {
		bodies[msg.uid] = msg.content
	}
	return bodies, nil
}

// fetch gets a part of the messages, unread as they were (PEEK).
func (s *session) fetch(uids []imap.UID, part *imap.FetchItemBodySection, limit int64) (msgs []message, err error) {
	opts := &imap.FetchOptions{UID: true, InternalDate: true, RFC822Size: true, BodySection: []*imap.FetchItemBodySection{part}}
	err = s.do("fetch", guard.IMAPFetch, func() error {
		cmd := s.client.Fetch(imap.UIDSetNum(uids...), opts)
		for data := cmd.Next(); data != nil; data = cmd.Next() {
			if msg, ok := read(data, limit); ok {
				msgs = append(msgs, msg)
			}
		}
		return cmd.Close()
	})
	return msgs, err
}

// read takes one message out of the stream. It reports whether it was given.
func read(data *imapclient.FetchMessageData, limit int64) (msg message, given bool) {
	for item := data.Next(); item != nil; item = data.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			msg.uid = item.UID
		case imapclient.FetchItemDataInternalDate:
			msg.internal = item.Time
		case imapclient.FetchItemDataRFC822Size:
			msg.size = item.Size
		case imapclient.FetchItemDataBodySection:
			given = true
			if item.Literal != nil {
				// A broken stream fails the command. What exceeds the limit is dropped by
				// the library.
				msg.content, _ = io.ReadAll(io.LimitReader(item.Literal, limit))
			}
		}
	}
	return msg, given && msg.uid != 0
}
