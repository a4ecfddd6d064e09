package collect

import (
	"time"

	"mailquorum/probes"
)

// Sighting is one message seen in a watched folder, of whoever sent it.
type Sighting struct {
	Mailbox     string      // Config.Name
	Folder      string      // as the server calls it
	Junk        bool        // Folder is the junk folder
	UID         uint32      // RFC 9051 section 2.3.1.1
	UIDValidity uint32      //
	Internal    time.Time   // INTERNALDATE: the server's clock
	At          time.Time   // when the server first told of it: our clock, with its monotonic reading
	Size        int64       // of the whole message in bytes, as the server says
	Header      []byte      // its first 64 KiB at most; the handler's to keep
	Tags        []string    // candidates, of whoever made them: probes.TagsIn(Header), or from the text where the header lost them
	DSN         *probes.DSN // a non-delivery report about somebody's mail; nil: none
}

// Handler is told what happens in a mailbox. All functions are called from the
// goroutine of Mailbox.Run, one at a time; while one runs nothing is read, so
// they should take milliseconds. A nil function is not called.
type Handler struct {
	// Seen is called for each message that was not there before: once, as long
	// as the process lives and UIDVALIDITY stays. It returns whether the mail is
	// a canary of our own, by its signature: only then the mailbox deletes it.
	Seen func(Sighting) (own bool)
	// Scanned is called after a complete and successful look at all watched
	// folders that began at the given time: what had arrived by then was Seen.
	Scanned func(began time.Time)
	// Failed is called with each failure of the read side, of probes.StageRetrieve:
	// Failed (the provider's read side fails), AuthFailed, Throttled, Policy (the
	// authorization server gives us no token), or Unknown (a dialogue that we cannot
	// follow: says nothing about the provider).
	Failed func(*probes.Error)
	// Reset is called when mail may have vanished unseen: UIDVALIDITY changed, the
	// folder was made anew or emptied. What is in flight may be unknown from here
	// on. The folder is then looked at from its beginning.
	Reset func(reason string)
}

func (h Handler) withDefaults() Handler {
	if h.Seen == nil {
		h.Seen = func(Sighting) bool { return false }
	}
	if h.Scanned == nil {
		h.Scanned = func(time.Time) {}
	}
	if h.Failed == nil {
		h.Failed = func(*probes.Error) {}
	}
	if h.Reset == nil {
		h.Reset = func(string) {}
	}
	return h
}
