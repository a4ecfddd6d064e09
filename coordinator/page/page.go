// Package page brings a decision to people: once, while it is true, and whoever
// of the coordinators is alive. There is no leader. Every coordinator takes the
// same decision and lets each page go through four stages:
//
//	settle      after a start, listen first
//	wait turn   rank by a hash of the page's key; each rank waits for those before it
//	needed?     still open under a fresh certificate, and nobody else's receipt has come
//	send        claim it, send it, record and gossip the receipt
//
// A failed attempt goes back to the second stage. What was decided waits in the
// store's outbox, so a restart resumes it.
package page

import (
	"context"
	"fmt"
	"time"

	"mailquorum/coordinator/store"
)

// Severity is how bad it is, in the words of the Events API v2.
type Severity string

// The severities, worst first.
const (
	Critical Severity = "critical"
	Failure  Severity = "error"
	Warning  Severity = "warning"
	Info     Severity = "info"
)

// Link is shown with the page.
type Link struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

// Event is what is to be said. It is kept in the outbox as JSON.
type Event struct {
	Action    store.Action   `json:"action"`
	Round     int            `json:"round,omitempty"` // 0; repetitions of a resolve count from 1
	Key       string         `json:"key"`             // the same on every coordinator; at most 255 bytes
	Summary   string         `json:"summary"`         // one line
	Severity  Severity       `json:"severity"`
	Source    string         `json:"source"`              // what is affected: the provider or service
	Component string         `json:"component,omitempty"` // the service
	Class     string         `json:"class,omitempty"`     // outage, degraded, blind ...
	At        time.Time      `json:"at"`                  // when it was decided
	Details   map[string]any `json:"details,omitempty"`
	Links     []Link         `json:"links,omitempty"`
	Ticket    bool           `json:"ticket,omitempty"` // goes to Config.Tickets: nobody is woken
}

// Receipt is a destination's word that it has accepted an event.
type Receipt struct {
	ID string // how the destination calls it; may be empty
}

// Destination is a service that tells people.
type Destination interface {
	// Name is how configuration, claims and time lines call it. It obeys
	// roster.ValidName and does not change.
	Name() string
	// Send returns once the destination has accepted the event, and ends with
	// ctx. It may be called concurrently, and again with an event that was
	// accepted before: the key tells. An *Error says whether trying again can
	// help; any other error counts as temporary, and the event as possibly
	// accepted. Errors hold no secrets.
	Send(ctx context.Context, e Event) (Receipt, error)
}

// Sweeper is a Destination that drops a resolve which comes before its trigger,
// so that a trigger delayed on its way stays open. Resolves are repeated there.
type Sweeper interface{ Sweeps() bool }

// Chain is destinations in the order in which they stand in for each other: the
// next one is used when those before it have accepted nothing for 15 ranks
// (roster.Timing.Rank), or refused for good.
type Chain []Destination

// Error is a failed Send.
type Error struct {
	Permanent  bool          // the same event will be refused again
	Rejected   bool          // certainly not accepted; false: it may have been
	RetryAfter time.Duration // the destination asked for this pause; 0: it did not
	Err        error         // holds no secret
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Need is the coordinator's answer to the question of the third stage.
type Need int

// The answers.
const (
	Hold Need = iota // cannot tell now (no fresh certificate either way): ask again
	Send             // true, and under a fresh certificate
	Drop             // not true any more
)

// TriggerJob is the outbox row of a page, to be committed with the decision.
func TriggerJob(now time.Time, e Event) store.Job {
	e.Action = store.Trigger
	return job(now, e)
}

// sweeps are the times after a close at which its resolve is repeated, in ranks
// (4 s by default: after 1, 5, 15 and 30 minutes).
var sweeps = [...]time.Duration{15, 75, 225, 450}

// ResolveJobs are the outbox rows of a close: the resolve and its repetitions.
// rank is roster.Timing.Rank.
func ResolveJobs(now time.Time, rank time.Duration, e Event) []store.Job {
	e.Action = store.Resolve
	out := []store.Job{job(now, e)}
	for i, after := range sweeps {
		e.Round = i + 1
		j := job(now, e)
		j.Delay = after * rank
		out = append(out, j)
	}
	return out
}

func job(now time.Time, e Event) store.Job {
	return store.Job{
		JobID: store.JobID{Key: e.Key, Action: e.Action, Round: e.Round},
		Event: encode(e), Created: now,
	}
}

func (c Chain) names() (out []string) {
	for _, d := range c {
		out = append(out, d.Name())
	}
	return out
}

func describe(j store.JobID) string {
	if j.Round > 0 {
		return fmt.Sprintf("%s (repetition %d) of %s", j.Action, j.Round, j.Key)
	}
	return fmt.Sprintf("%s of %s", j.Action, j.Key)
}
