package page

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"mailquorum/coordinator/store"
	"mailquorum/internal/report"
	"mailquorum/internal/roster"
)

// message is the body of a report.KindPage envelope: a claim of the coordinator
// that signed it.
type message struct {
	Key         string           `cbor:"1,keyasint"`
	Action      string           `cbor:"2,keyasint"`
	Round       uint8            `cbor:"3,keyasint,omitempty"`
	Destination string           `cbor:"4,keyasint"`
	State       store.ClaimState `cbor:"5,keyasint"`
	Attempt     uint32           `cbor:"6,keyasint"`
	Maybe       bool             `cbor:"7,keyasint,omitempty"`
	At          int64            `cbor:"8,keyasint"` // Unix milliseconds of the sender's clock
}

// claimsMax bounds the claims kept of each coordinator.
const claimsMax = 4096

// Receive takes a claim from the mesh. It reports whether it was news, which is
// worth relaying. Errors: report.ErrMalformed, report.ErrUnknown (no coordinator
// signed it), report.ErrSignature. It does not block on the disk.
func (p *Pipeline) Receive(now time.Time, e report.Envelope, raw []byte) (news bool, err error) {
	if e.Kind != report.KindPage {
		return false, fmt.Errorf("%w: kind %d is no claim", report.ErrMalformed, e.Kind)
	}
	if n, ok := p.cfg.Roster.Node(e.Node); !ok || n.Role != roster.Coordinator {
		return false, report.ErrUnknown
	}
	var m message
	if err := report.Unmarshal(e.Body, &m); err != nil {
		return false, err
	}
	if err := m.check(p.cfg.Roster.Cluster); err != nil {
		return false, err
	}
	c := m.claim(e.Node, bytes.Clone(raw), now)
	if !p.cfg.Store.News(c) {
		return false, nil // the cheap check first: most are repetitions
	}
	if _, err := e.Verify(p.cfg.Roster); err != nil {
		return false, err
	}
	if p.cfg.Store.CountClaims(e.Node) >= claimsMax {
		return false, fmt.Errorf("%w: more than %d claims of %s", report.ErrMalformed, claimsMax, e.Node)
	}
	p.cfg.Store.Note(store.Change{Claims: []store.Claim{c}})
	p.Wake()
	return true, nil
}

func (m message) check(cluster string) error {
	switch {
	case len(m.Key) > 255 || !strings.HasPrefix(m.Key, "mailquorum/"+cluster+"/"):
		return fmt.Errorf("%w: claim of a foreign key", report.ErrMalformed)
	case m.Action != string(store.Trigger) && m.Action != string(store.Resolve):
		return fmt.Errorf("%w: claim of no action", report.ErrMalformed)
	case !roster.ValidName(m.Destination), m.State < store.Intent, m.State > store.Sent, m.Attempt == 0, int(m.Round) > len(sweeps):
		return fmt.Errorf("%w: claim out of range", report.ErrMalformed)
	}
	return nil
}

func (m message) claim(coordinator string, raw []byte, now time.Time) store.Claim {
	return store.Claim{
		ClaimID: store.ClaimID{Key: m.Key, Action: store.Action(m.Action), Round: int(m.Round), Destination: m.Destination, Coordinator: coordinator},
		State:   m.State, Attempt: m.Attempt, Maybe: m.Maybe, At: time.UnixMilli(m.At).UTC(), Raw: raw, Seen: now,
	}
}

// speak makes this coordinator's claim: to the others at once, so that a slow
// disk does not let the next one's turn come, and to disk before it returns.
func (p *Pipeline) speak(c store.Claim) {
	now := time.Now()
	c.Coordinator, c.At, c.Seen = p.cfg.Self, now.UTC().Truncate(time.Millisecond), now
	c.Raw = p.cfg.Seal(report.Marshal(&message{
		Key: c.Key, Action: string(c.Action), Round: uint8(c.Round), Destination: c.Destination,
		State: c.State, Attempt: c.Attempt, Maybe: c.Maybe, At: now.UnixMilli(),
	}))
	p.cfg.Gossip(c.Raw)
	if err := p.cfg.Store.Commit(store.Change{Claims: []store.Claim{c}}); err != nil {
		p.cfg.Log.Warn("a claim is not on disk", "page", c.Key, "state", c.State.String(), "error", err)
	}
}

// stateMax bounds what State returns, which keeps push/pull below 256 KiB.
const stateMax = 512

// State returns the newest signed claims, for push/pull. Let them stand before
// the incident records: a coordinator that learns of an incident then knows
// already whether it was paged.
func (p *Pipeline) State() [][]byte {
	claims := p.cfg.Store.NewestClaims(stateMax)
	out := make([][]byte, 0, len(claims))
	for _, c := range claims {
		out = append(out, c.Raw)
	}
	return out
}

// held returns until when somebody else's intent keeps this coordinator from
// sending to the destination; the zero time if nobody does.
func (p *Pipeline) held(now time.Time, key, destination string) (until time.Time) {
	for _, c := range p.cfg.Store.Claims(key) {
		if c.Coordinator == p.cfg.Self || c.Destination != destination || c.State != store.Intent || c.Seen.After(now) {
			continue
		}
		if end := c.Seen.Add(intentHolds(p.timing.Rank)); end.After(now) && end.After(until) {
			until = end
		}
	}
	return until
}

// receipt returns the claim of whoever sent the page to the destination.
func receipt(claims []store.Claim, id store.JobID, destination string) (store.Claim, bool) {
	for _, c := range claims {
		if c.State == store.Sent && c.Destination == destination && c.Action == id.Action && c.Round == id.Round {
			return c, true
		}
	}
	return store.Claim{}, false
}

// touched reports whether a trigger may have reached the destination.
func touched(claims []store.Claim, destination string) bool {
	for _, c := range claims {
		if c.Action == store.Trigger && c.Destination == destination && (c.State != store.Failed || c.Maybe) {
			return true
		}
	}
	return false
}
