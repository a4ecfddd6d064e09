// Package report turns what nodes tell each other into bytes and back: signed
// envelopes, and the report, which is the newest state of one node. Bytes are
// versioned by their kind, bounded in size, and verified against the roster.
package report

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"mailquorum/internal/roster"
)

// MaxMessage is the largest message accepted from the mesh, in bytes.
const MaxMessage = 64 << 10

// Kind says what an envelope holds.
type Kind uint8

// The kinds of message. A new format gets a new kind; unknown kinds are dropped
// and counted, so that old nodes survive new ones.
const (
	KindReport   Kind = 1 // Report: the newest state of a node
	KindIncident Kind = 2 // incident.Record: the join of a subject's counters and certificates
	KindPage     Kind = 3 // page receipts: who intends to page, and who has
	KindConfirm  Kind = 4 // a request to probe now
)

// Errors of Parse, Verify and Board.Accept.
var (
	ErrMalformed = errors.New("malformed message")
	ErrUnknown   = errors.New("unknown node")
	ErrSignature = errors.New("bad signature")
	ErrRoster    = errors.New("report of another roster")
	ErrStale     = errors.New("not newer than what is known")
	ErrSilenced  = errors.New("node silenced: it said two things under one sequence number")
)

// Envelope is a message with its sender. Its bytes stay together wherever they
// are relayed, so that a signature can be checked by anyone, at any time.
type Envelope struct {
	Kind Kind   `cbor:"1,keyasint"`
	Node string `cbor:"2,keyasint"`
	Body []byte `cbor:"3,keyasint"`
	Sig  []byte `cbor:"4,keyasint"`
}

var (
	encMode = must(cbor.CoreDetEncOptions().EncMode())
	decMode = must(cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxArrayElements: 4096, MaxMapPairs: 64, MaxNestedLevels: 8,
		IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // constant options
	}
	return v
}

// Marshal encodes v deterministically (RFC 8949 section 4.2.1).
func Marshal(v any) []byte {
	b, err := encMode.Marshal(v)
	if err != nil {
		panic("report: " + err.Error()) // plain data only
	}
	return b
}

// Unmarshal decodes what Marshal wrote; anything else is ErrMalformed.
func Unmarshal(b []byte, v any) error {
	if err := decMode.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return nil
}

// signed is what the signature covers: the cluster's name keeps messages of one
// monitor out of another that shares a key.
func signed(cluster string, kind Kind, node string, body []byte) []byte {
	b := append([]byte("mailquorum message v1\x00"), cluster...)
	b = append(b, 0, byte(kind))
	b = append(b, node...)
	b = append(b, 0)
	return append(b, body...)
}

// Seal signs body and wraps it.
func Seal(cluster string, kind Kind, node string, key roster.PrivateKey, body []byte) []byte {
	return Marshal(&Envelope{Kind: kind, Node: node, Body: body, Sig: key.Sign(signed(cluster, kind, node, body))})
}

// Parse unwraps a message without checking its signature.
func Parse(raw []byte) (Envelope, error) {
	var e Envelope
	if len(raw) > MaxMessage {
		return e, fmt.Errorf("%w: %d bytes", ErrMalformed, len(raw))
	}
	if err := Unmarshal(raw, &e); err != nil {
		return e, err
	}
	if len(e.Sig) != ed25519.SignatureSize {
		return e, fmt.Errorf("%w: signature of %d bytes", ErrMalformed, len(e.Sig))
	}
	return e, nil
}

// Verify returns the node that signed the envelope: ErrUnknown when the roster
// has no such node, ErrSignature when its key did not sign these bytes.
func (e Envelope) Verify(r *roster.Roster) (roster.Node, error) {
	n, ok := r.Node(e.Node)
	if !ok {
		return n, ErrUnknown
	}
	if !ed25519.Verify(ed25519.PublicKey(n.Key), signed(r.Cluster, e.Kind, e.Node, e.Body), e.Sig) {
		return n, ErrSignature
	}
	return n, nil
}

// Result names how a message fared, for a metric's label: "accepted" for nil, the
// text of one of this package's errors, or "refused".
func Result(err error) string {
	if err == nil {
		return "accepted"
	}
	for _, known := range []error{ErrMalformed, ErrUnknown, ErrSignature, ErrRoster, ErrStale, ErrSilenced} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "refused"
}
