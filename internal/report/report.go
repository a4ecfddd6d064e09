package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"mailquorum/internal/roster"
	"mailquorum/internal/vote"
	"mailquorum/probes"
)

// Question is what a vote answers about a service.
type Question uint8

// The questions.
const (
	Outage   Question = iota // does it fail?
	Degraded                 // is it slow?
	Account                  // is something wrong with our account there?
)

var questionNames = [...]string{"outage", "degraded", "account"}

// String is the first part of a subject's name.
func (q Question) String() string {
	if int(q) < len(questionNames) {
		return questionNames[q]
	}
	return fmt.Sprintf("question(%d)", uint8(q))
}

// Report is the newest state of one node. Agents vote in it; a coordinator's has
// no votes and only lets others measure how fresh their own words are.
type Report struct {
	Roster [8]byte `cbor:"1,keyasint"`           // roster.Hash
	Boot   uint64  `cbor:"2,keyasint"`           // counts starts of the node; on disk before it is spoken
	Seq    uint64  `cbor:"3,keyasint"`           // counts reports of this boot, from 1
	Wall   int64   `cbor:"4,keyasint"`           // sender's wall clock, Unix milliseconds: to find wrong clocks, nothing else
	Votes  []Vote  `cbor:"5,keyasint,omitempty"` // ascending by (Service, Question), each once: two answers to one question are none
	Echo   []Echo  `cbor:"6,keyasint,omitempty"`
}

// Vote is one region's agent's answer to one question about one service. Places
// (Service) are those of the roster that the report names.
type Vote struct {
	Question Question     `cbor:"1,keyasint"`
	Service  uint16       `cbor:"2,keyasint"` // index into Roster.Services
	Opinion  vote.Opinion `cbor:"3,keyasint"`
	Epoch    uint64       `cbor:"4,keyasint"`           // the epoch voted on: closed + 1
	Reason   vote.Reason  `cbor:"5,keyasint,omitempty"` //
	Stage    probes.Stage `cbor:"6,keyasint,omitempty"`
	Code     uint16       `cbor:"7,keyasint,omitempty"`
	Enhanced string       `cbor:"8,keyasint,omitempty"`  // at most 11 bytes: "5.999.999" and some room
	Since    int64        `cbor:"9,keyasint,omitempty"`  // Unix seconds of the sender's clock
	Weight   uint16       `cbor:"10,keyasint,omitempty"` // W in hundredths of a nat
	Count    Count        `cbor:"11,keyasint,omitzero"`
}

// Count is the agent's account of its canaries to a service since the present
// incident's onset (while one is open), confirm canaries left out.
type Count struct {
	Sent      uint32 `cbor:"1,keyasint,omitempty" json:"sent"`
	Delivered uint32 `cbor:"2,keyasint,omitempty" json:"delivered"` // in time or junked
	Late      uint32 `cbor:"3,keyasint,omitempty" json:"late"`
	Failed    uint32 `cbor:"4,keyasint,omitempty" json:"failed"` // never accepted, or bounced
	Lost      uint32 `cbor:"5,keyasint,omitempty" json:"lost"`
	Pending   uint32 `cbor:"6,keyasint,omitempty" json:"pending"` // accepted, outcome open
	Unknown   uint32 `cbor:"7,keyasint,omitempty" json:"unknown"`
}

// Add returns the sum of two accounts.
func (c Count) Add(d Count) Count {
	return Count{c.Sent + d.Sent, c.Delivered + d.Delivered, c.Late + d.Late, c.Failed + d.Failed,
		c.Lost + d.Lost, c.Pending + d.Pending, c.Unknown + d.Unknown}
}

// Echo is the newest report that the sender has seen of another node. It bounds
// the age of the sender's own report without comparing clocks.
type Echo struct {
	_    struct{} `cbor:",toarray"`
	Node uint16   // index into Roster.Nodes
	Boot uint64
	Seq  uint64
}

// MakeVote translates a vote for the wire.
func MakeVote(q Question, service int, epoch uint64, v vote.Vote, c Count) Vote {
	w := Vote{Question: q, Service: uint16(service), Opinion: v.Opinion, Epoch: epoch, Reason: v.Reason, Stage: v.Stage,
		Code: uint16(v.Code), Enhanced: v.Enhanced, Weight: uint16(max(0, min(v.Weight*100, 65535))), Count: c}
	if len(w.Enhanced) > 11 {
		w.Enhanced = ""
	}
	if !v.Since.IsZero() {
		w.Since = v.Since.Unix()
	}
	return w
}

// Vote translates back.
func (w Vote) Vote() vote.Vote {
	v := vote.Vote{Opinion: w.Opinion, Reason: w.Reason, Stage: w.Stage, Code: int(w.Code), Enhanced: probes.Clean(w.Enhanced),
		Weight: float64(w.Weight) / 100}
	if w.Since != 0 {
		v.Since = time.Unix(w.Since, 0).UTC()
	}
	return v
}

// Vote returns the answer to a question about the service at that place of the
// roster. The votes must be in order, as Seal and Open leave them.
func (r *Report) Vote(q Question, service int) (Vote, bool) {
	i, ok := slices.BinarySearchFunc(r.Votes, Vote{Question: q, Service: uint16(service)}, compareVotes)
	if !ok {
		return Vote{}, false
	}
	return r.Votes[i], true
}

func compareVotes(a, b Vote) int {
	return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Question, b.Question))
}

// Seal puts the votes in order and signs the report of a node.
func (r *Report) Seal(cluster, node string, key roster.PrivateKey) []byte {
	slices.SortStableFunc(r.Votes, compareVotes)
	return Seal(cluster, KindReport, node, key, Marshal(r))
}

// head is what tells whether a report is news.
type head struct {
	Roster [8]byte `cbor:"1,keyasint"`
	Boot   uint64  `cbor:"2,keyasint"`
	Seq    uint64  `cbor:"3,keyasint"`
}

// peek decodes a report's head alone: most of what arrives is old.
func peek(e Envelope) (head, error) {
	var h head
	if e.Kind != KindReport {
		return h, fmt.Errorf("%w: kind %d is no report", ErrMalformed, e.Kind)
	}
	return h, Unmarshal(e.Body, &h)
}

// Open decodes a report's envelope without checking its signature. Votes out of
// order or given twice make it ErrMalformed.
func Open(e Envelope) (Report, error) {
	var r Report
	if e.Kind != KindReport {
		return r, fmt.Errorf("%w: kind %d is no report", ErrMalformed, e.Kind)
	}
	if err := Unmarshal(e.Body, &r); err != nil {
		return r, err
	}
	for i := 1; i < len(r.Votes); i++ {
		if compareVotes(r.Votes[i-1], r.Votes[i]) >= 0 {
			return r, fmt.Errorf("%w: vote %d is out of order", ErrMalformed, i)
		}
	}
	return r, nil
}
