package incident

import (
	"time"

	"mailquorum/coordinator/verdict"
	"mailquorum/internal/roster"
)

// Record is the gossip state of one certified subject. Merge is its join.
type Record struct {
	Subject Subject             `cbor:"1,keyasint" json:"subject"`
	Opened  uint64              `cbor:"2,keyasint" json:"opened"`
	Closed  uint64              `cbor:"3,keyasint" json:"closed"`
	Onset   int64               `cbor:"4,keyasint,omitempty" json:"onset,omitempty"` // Unix seconds, of epoch Opened
	Down    verdict.Certificate `cbor:"5,keyasint,omitzero" json:"down,omitzero"`    // of epoch Opened
	Up      verdict.Certificate `cbor:"6,keyasint,omitzero" json:"up,omitzero"`      // of epoch Closed, while Closed = Opened
}

// Merge joins two records of one subject.
func Merge(a, b Record) Record { return a }

// Epoch is the epoch to vote on: Closed + 1, while open the open one.
func (r Record) Epoch() uint64 { return r.Closed + 1 }

// Open reports whether the newest epoch is open.
func (r Record) Open() bool { return r.Opened > r.Closed }

// Verify checks that certificates prove both counters.
func (r Record) Verify(ro *roster.Roster) error { return nil }

// Machine is one coordinator's life of one subject.
type Machine struct{ record Record }

// NewMachine returns the machine of a subject to which nothing happened yet.
func NewMachine(ro *roster.Roster, s Subject) *Machine { return &Machine{record: Record{Subject: s}} }

// Step takes a verdict, tallied for Record().Epoch(), and returns what is new.
func (m *Machine) Step(now time.Time, v verdict.Verdict) []Notice { return nil }

// Merge takes another node's record and returns what is new.
func (m *Machine) Merge(now time.Time, r Record) ([]Notice, error) { return nil, nil }

// Record is what to gossip.
func (m *Machine) Record() Record { return m.record }

// State is "", "open", "recovering" or "closed".
func (m *Machine) State() string { return "" }

// Snapshot is the machine's state as JSON, for the store.
func (m *Machine) Snapshot() []byte { return nil }

// Restore puts a snapshot back.
func (m *Machine) Restore(b []byte) error { return nil }
