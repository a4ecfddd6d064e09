package probes

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"strings"
	"time"
)

// IDSize is the length of a canary's identifier in bytes.
const IDSize = 16

// ID identifies a canary: 128 random bits.
type ID [IDSize]byte

// tagEncoding survives case folding and every header and address syntax.
var tagEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// NewID draws an identifier from the operating system's random source.
func NewID() ID {
	var id ID
	rand.Read(id[:]) // never fails, crypto/rand
	return id
}

// String is the identifier as 26 characters of lower-case base32hex.
func (id ID) String() string { return tagEncoding.EncodeToString(id[:]) }

// ParseID reads what String wrote, in either case.
func ParseID(s string) (ID, error) {
	var id ID
	b, err := tagEncoding.DecodeString(strings.ToLower(s))
	if err != nil || len(b) != IDSize {
		return id, fmt.Errorf("not a canary id: %q", Clean(s))
	}
	copy(id[:], b)
	return id, nil
}

// MarshalText writes the identifier's String form.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads the identifier's String form.
func (id *ID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseID(string(b))
	return err
}

// Canary is one tagged message, followed from the intent to send it to its
// final outcome. It is what the agent's journal keeps, one row each.
type Canary struct {
	ID      ID     `json:"id"`
	Route   string `json:"route"`
	Service string `json:"service"`
	Confirm bool   `json:"confirm,omitempty"` // sent on suspicion: evidence, but no part of latency, loss or SLA figures
	Trace   string `json:"trace,omitempty"`   // W3C traceparent

	Sent     time.Time     `json:"sent"`               // when the intent was journalled: wall clock
	Accepted time.Time     `json:"accepted,omitzero"`  // final reply to DATA
	Seen     time.Time     `json:"seen,omitzero"`      // first sighting in a mailbox
	Resolved time.Time     `json:"resolved,omitzero"`  // last change of Outcome
	Latency  time.Duration `json:"latency,omitempty"`  // Begun to Seen, monotonic where the process lived that long
	Transit  time.Duration `json:"transit,omitempty"`  // Accepted to Seen
	Timings  []Timing      `json:"timings,omitempty"`  // of the stages passed
	Outcome  Outcome       `json:"outcome"`            //
	Stage    Stage         `json:"stage,omitempty"`    // where it failed
	Reply    Reply         `json:"reply,omitzero"`     // last reply of the submission
	Error    string        `json:"error,omitempty"`    // on one line, without secrets
	QueueID  string        `json:"queue_id,omitempty"` // from the final reply
	Folder   string        `json:"folder,omitempty"`   // where it was seen
	Copies   int           `json:"copies,omitempty"`   // sightings; more than one is a duplicate
	Altered  bool          `json:"altered,omitempty"`  // body hash or a header differs
	Hops     []Hop         `json:"hops,omitempty"`     // from Received, newest last
	Auth     AuthResults   `json:"auth,omitzero"`      // what the receiver found of SPF, DKIM and DMARC
	TLS      TLSFacts      `json:"tls,omitzero"`       // of the submission
	Egress   string        `json:"egress,omitempty"`   // local address of the submission

	Greylisted time.Duration `json:"greylisted,omitempty"` // from Sent to the begin of the attempt that counts
}

// Begun is when the attempt that counts began: latency and deadline are measured
// from it.
func (c Canary) Begun() time.Time { return c.Sent.Add(c.Greylisted) }

// TLSFacts is what is kept of a TLS connection.
type TLSFacts struct {
	Version  string    `json:"version,omitempty"`  // "TLS 1.3"
	Cipher   string    `json:"cipher,omitempty"`   //
	NotAfter time.Time `json:"notAfter,omitzero"`  // earliest expiry in the server's chain
	Issuer   string    `json:"issuer,omitempty"`   // of the leaf, through Clean
	Resumed  bool      `json:"resumed,omitempty"`  //
	Verified bool      `json:"verified,omitempty"` // false only where the configuration said plain
}

// Hop is one Received header (RFC 5321 section 4.4). Its clock is whoever wrote
// it: shown as reported, never used for a verdict.
type Hop struct {
	From  string        `json:"from,omitempty"`
	By    string        `json:"by,omitempty"`
	With  string        `json:"with,omitempty"`
	ID    string        `json:"id,omitempty"`
	At    time.Time     `json:"at,omitzero"`
	Delay time.Duration `json:"delay,omitempty"` // since the hop before; negative where clocks disagree
	Skew  bool          `json:"skew,omitempty"`  // Delay is negative
}
