// Package scenario tells stories to the monitor and checks what it says. A story
// is a text file: who watches, what the provider and the regions' own networks do
// over time, and what must and must not be said about it, with bounds. It is run
// in simulated time through the real evidence, verdict and incident code, the
// reports signed and verified; the same text gives the same answer, byte for byte.
//
// A line of a story is one of
//
//	# a comment: the story
//	regions NAME[@DOMAIN][/ACCOUNTS] ...   who votes; agents of one credential domain share ACCOUNTS
//	coordinators N                         default 1
//	services NAME[=ROUTE,ROUTE..] ...      default mail=mx; a region is down for a service when one of its routes is
//	timing FIELD=DURATION ...              as in the roster
//	latency DURATION                       median transit of the healthy provider, default 4s (lognormal, sigma 0.6)
//	seed N                                 default 1
//	begin HH:MM                            default 09:00; three days of health before it were learned from
//	until TIME                             the end
//
//	TIME[-TIME] [WHO] WHAT                 something happens, for a while or from then on:
//	expect ...                             what must be said (see Expectation)
//
// What the provider does, as WHO meets it: fail STAGE [CODE [STATUS]] [after D],
// hold (accepted, and delivered when it ends, with what is under way), drop, slow
// xN, bounce [CODE [STATUS]] [after D], junk, cut (the reply to DATA is lost),
// unreadable STAGE (the mailbox), empty (the mailbox). What regions do: offline,
// nodns, clock OFFSET, starved, stopped, restart, lies down|up, split (from the
// others), reboot N|all (coordinators). Most take "share P%" of the canaries.
//
// A TIME is a clock time HH:MM[:SS] of the first day, D/HH:MM of day D (1 is the
// first), or +DURATION since the beginning. WHO is "all" (the default), or regions
// with commas, each optionally followed by :SERVICE or :SERVICE/ROUTE.
package scenario

import (
	"time"

	"mailquorum/internal/roster"
)

// Scenario is one parsed story.
type Scenario struct {
	Name         string
	Text         string
	Roster       *roster.Roster
	Routes       [][]string // by service
	Latency      time.Duration
	Seed         uint64
	Begin, End   time.Time
	Effects      []Effect
	Expectations []Expectation
}

// Effect is something that happens to some regions' routes for a while.
type Effect struct {
	From, To time.Time
	Who      []target
	Kind     string // the word of the language

	Share  float64       // of canaries that it concerns
	Stage  string        // where submission fails
	Code   int           // of the server's reply
	Status string        // enhanced code of the reply
	After  time.Duration // until it fails, bounces or is through
	Factor float64       // of slowness
	Value  string        // what a liar says; the other side of a split; a coordinator
	line   int
}

// target is a region, or one of its routes.
type target struct{ region, service, route int } // -1: any

func (e *Effect) hits(region, service, route int) bool {
	for _, t := range e.Who {
		if (t.region < 0 || t.region == region) && (t.service < 0 || t.service == service) && (t.route < 0 || t.route == route) {
			return true
		}
	}
	return false
}

func (e *Effect) at(now time.Time) bool { return !now.Before(e.From) && now.Before(e.To) }

// warmup is how long the agents run before a story begins, and school how long
// they ran before that: only what they learned then is kept.
const (
	warmup = 20 * time.Minute
	school = 72 * time.Hour
)
