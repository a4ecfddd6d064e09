package report

import (
	"bytes"
	"slices"
	"time"

	"mailquorum/internal/roster"
)

// spokenKept is how many of its own reports a node can be echoed for; at one a
// second it covers four minutes, far beyond any freshness limit.
const spokenKept = 256

// Entry is the newest report accepted from a node.
type Entry struct {
	Node     roster.Node
	Report   Report
	Raw      []byte    // the signed envelope, in its one canonical encoding
	Received time.Time // this node's clock
	body     []byte    // what is signed
	echoed   time.Time // when this node spoke what the report echoes; zero: no echo
}

// Board keeps the newest report of every node of the roster. Merging is a join
// over (boot, seq): order and repetition of arrival do not matter. It has no
// clock and is not safe for concurrent use.
type Board struct {
	roster   *roster.Roster
	hash     [8]byte
	self     int
	entries  []*Entry             // by place in the roster
	silenced map[int][2][]byte    // proof of equivocation
	spoken   map[uint64]time.Time // own seq of the present boot
	boot     uint64
}

// NewBoard returns an empty board for the node named self.
func NewBoard(r *roster.Roster, self string) *Board {
	return &Board{roster: r, hash: r.Hash(), self: r.NodeIndex(self), entries: make([]*Entry, len(r.Nodes)),
		silenced: map[int][2][]byte{}, spoken: map[uint64]time.Time{}}
}

// Spoke records that this node sent its report (boot, seq) at now. Reports that
// echo it are not older than that.
func (b *Board) Spoke(now time.Time, boot, seq uint64) {
	if boot != b.boot {
		clear(b.spoken)
		b.boot = boot
	}
	b.spoken[seq] = now
	if seq > spokenKept {
		delete(b.spoken, seq-spokenKept)
	}
}

// Accept takes a report, however it came, unwrapped by Parse from raw, which is
// not kept. It returns the new entry, or why the
// report does not count: ErrMalformed, ErrUnknown, ErrRoster, ErrStale (which is
// cheap: the sequence is checked before the signature), ErrSignature, ErrSilenced.
func (b *Board) Accept(now time.Time, e Envelope, raw []byte) (*Entry, error) {
	i := b.roster.NodeIndex(e.Node)
	if i < 0 {
		return nil, ErrUnknown
	}
	old := b.entries[i]
	if old != nil && e.Kind == KindReport && bytes.Equal(e.Body, old.body) {
		return nil, ErrStale // what relays bring most
	}
	head, err := peek(e)
	if err != nil {
		return nil, err
	}
	if head.Roster != b.hash {
		return nil, ErrRoster
	}
	if _, bad := b.silenced[i]; bad {
		return nil, ErrSilenced
	}
	// What is signed is compared, never the envelope around it: whoever relays a
	// report could write that in another way, and so silence an honest node.
	same := old != nil && head.Boot == old.Report.Boot && head.Seq == old.Report.Seq
	if old != nil && !same && !newer(head, old.Report) {
		return nil, ErrStale
	}
	r, err := Open(e)
	if err != nil {
		return nil, err
	}
	node, err := e.Verify(b.roster)
	if err != nil {
		return nil, err
	}
	canonical := Marshal(&e) // a relay may have padded it
	if same {
		b.silenced[i] = [2][]byte{old.Raw, canonical}
		b.entries[i] = nil
		return nil, ErrSilenced
	}
	entry := &Entry{Node: node, Report: r, Raw: canonical, Received: now, body: e.Body}
	for _, echo := range r.Echo {
		if int(echo.Node) == b.self && echo.Boot == b.boot {
			entry.echoed = b.spoken[echo.Seq]
		}
	}
	if old != nil && entry.echoed.Before(old.echoed) {
		entry.echoed = old.echoed // a later report is not older than an earlier one
	}
	if i == b.self {
		entry.echoed = now
	}
	b.entries[i] = entry
	return entry, nil
}

func newer(a head, b Report) bool {
	return a.Boot > b.Boot || a.Boot == b.Boot && a.Seq > b.Seq
}

// Age bounds the age of the entry's report by this node's own monotonic clock.
// The second result is false while no echo proves any bound.
func (b *Board) Age(now time.Time, e *Entry) (time.Duration, bool) {
	if e == nil || e.echoed.IsZero() {
		return 0, false
	}
	return now.Sub(e.echoed), true
}

// Entry returns the newest report of a node, or nil.
func (b *Board) Entry(node string) *Entry {
	if i := b.roster.NodeIndex(node); i >= 0 {
		return b.entries[i]
	}
	return nil
}

// At returns the newest report of the node at that place of the roster, or nil.
func (b *Board) At(place int) *Entry { return b.entries[place] }

// Roster returns the roster of the board; every entry is of it.
func (b *Board) Roster() *roster.Roster { return b.roster }

// Echo returns what to put into this node's next report.
func (b *Board) Echo() []Echo {
	var out []Echo
	for i, e := range b.entries {
		if e != nil && i != b.self {
			out = append(out, Echo{Node: uint16(i), Boot: e.Report.Boot, Seq: e.Report.Seq})
		}
	}
	return out
}

// Raw returns the newest signed report of every node, for push/pull.
func (b *Board) Raw() [][]byte {
	var out [][]byte
	for _, e := range b.entries {
		if e != nil {
			out = append(out, e.Raw)
		}
	}
	return out
}

// Silenced returns the nodes that equivocated, with the two contradicting
// messages each as proof.
func (b *Board) Silenced() map[string][2][]byte {
	out := map[string][2][]byte{}
	for i, proof := range b.silenced {
		out[b.roster.Nodes[i].Name] = [2][]byte{slices.Clone(proof[0]), slices.Clone(proof[1])}
	}
	return out
}
