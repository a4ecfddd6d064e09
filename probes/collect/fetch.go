package collect

import (
	"errors"
	"fmt"
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

// headers fetches the headers of the given messages, ascending. Where the server
// refuses (a message that it cannot read itself) it finds out which ones, and
// leaves those out.
func (s *session) headers(f *folder, uids []imap.UID) ([]message, error) {
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

// bodies fetches the beginnings of those messages whose header does not tell what
// they are: bounces, and canaries that lost their tag on the way.
func (s *session) bodies(f *folder, msgs []message) (map[imap.UID][]byte, error) {
	var uids []imap.UID
	for _, msg := range msgs {
		if len(probes.TagsIn(msg.content)) == 0 && (probes.LooksLikeDSN(msg.content) || probes.LooksLikeCanary(msg.content)) {
			uids = append(uids, msg.uid)
		}
	}
	if len(uids) == 0 {
		return nil, nil
	}
	whole, err := s.fetch(uids, &imap.FetchItemBodySection{Peek: true, Partial: &imap.SectionPartial{Size: maxBody}}, maxBody)
	var no *failure
	if errors.As(err, &no) && no.refused {
		s.m.cfg.Log.Warn("the server does not give a message's text", "folder", probes.Clean(f.name), "err", no)
		return nil, nil
	}
	bodies := make(map[imap.UID][]byte, len(whole))
	for _, msg := range whole {
		bodies[msg.uid] = msg.content
	}
	return bodies, err
}

// fetch gets a part of the messages, unread as they were (PEEK).
func (s *session) fetch(uids []imap.UID, part *imap.FetchItemBodySection, limit int64) (msgs []message, err error) {
	opts := &imap.FetchOptions{UID: true, InternalDate: true, RFC822Size: true, BodySection: []*imap.FetchItemBodySection{part}}
	err = s.do("fetch", guard.IMAPFetch, func() error {
		cmd := s.client.Fetch(imap.UIDSetNum(uids...), opts)
		for data := cmd.Next(); data != nil; data = cmd.Next() {
			if msg := read(data, limit); msg.uid != 0 {
				msgs = append(msgs, msg)
			}
		}
		return cmd.Close()
	})
	return msgs, err
}

// read takes one message out of the stream.
func read(data *imapclient.FetchMessageData, limit int64) (msg message) {
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
				// A broken stream fails the command. What exceeds the limit is dropped by
				// the library.
				msg.content, _ = io.ReadAll(io.LimitReader(item.Literal, limit))
			}
		}
	}
	return msg
}
