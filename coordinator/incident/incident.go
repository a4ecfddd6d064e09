// Package incident turns verdicts into incidents and notices. A Machine is one
// coordinator's life of one subject; a Record is what coordinators and agents
// gossip about it, a join that proves itself. It is pure: now comes in, notices
// go out.
package incident

import (
	"fmt"
	"strings"
	"time"

	"mailquorum/internal/report"
)

// Subject is what an incident is about: "<question>/<service>".
type Subject string

// The kinds of subject: the first part of its name. Outage and Degraded are
// certified; the others are each coordinator's own view and carry no proof.
const (
	Outage   = "outage"
	Degraded = "degraded"
	Account  = "account"
	Regional = "regional"
	Blind    = "blind"
)

// NewSubject names what a question about a service is about.
func NewSubject(q report.Question, service string) Subject {
	return Subject(q.String() + "/" + service)
}

// Kind is the first part of the name.
func (s Subject) Kind() string { k, _, _ := strings.Cut(string(s), "/"); return k }

// Service is the second part of the name.
func (s Subject) Service() string { _, v, _ := strings.Cut(string(s), "/"); return v }

// NoticeKind is what happened to a subject.
type NoticeKind string

// The kinds of notice.
const (
	NoticeOpened       NoticeKind = "opened"     // a quorum says down, certified
	NoticeRecovering   NoticeKind = "recovering" // a quorum says up; the hold or the backlog is not over
	NoticeReopened     NoticeKind = "reopened"   // down again while recovering: the same incident
	NoticeClosed       NoticeKind = "closed"     // up for long enough, certified
	NoticeRegional     NoticeKind = "regional"   // a minority is down for Timing.Regional: a ticket
	NoticeRegionalOver NoticeKind = "regional-over"
	NoticeBlind        NoticeKind = "blind" // too few regions can tell for Timing.Blind: a page of its own
	NoticeBlindOver    NoticeKind = "blind-over"
)

// Notice is one thing that people may have to be told.
type Notice struct {
	Kind    NoticeKind   `json:"kind"`
	Subject Subject      `json:"subject"`
	Epoch   uint64       `json:"epoch"`
	Key     string       `json:"key"` // dedup key of the page: Key(cluster, Subject, Epoch)
	At      time.Time    `json:"at"`
	Onset   time.Time    `json:"onset,omitzero"` // first failing canary of the regions that voted down
	Drawing string       `json:"drawing,omitempty"`
	Count   report.Count `json:"count"`
	Page    bool         `json:"page"` // opened and blind wake somebody, closed and blind-over end that; false: a ticket, or a line of the time line
	Text    string       `json:"text"` // plain English, one or two sentences with figures
}

// Key is the dedup key of a page: the same on every coordinator, no observed
// fact is part of it.
func Key(cluster string, s Subject, epoch uint64) string {
	return fmt.Sprintf("mailquorum/%s/%s/%d", cluster, s, epoch)
}
