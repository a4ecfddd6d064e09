// Package api is the JSON that coordinators serve under /api/v1/, that
// `mailquorum status` and `mailquorum incidents` read, and from which the
// status page is drawn. Times are RFC 3339 in UTC.
package api

import (
	"time"

	"mailquorum/internal/report"
	"mailquorum/internal/vote"
)

// State is what a service's light shows.
type State string

// The states of a service, from best to worst.
const (
	Up         State = "up"
	Unknown    State = "unknown"    // not enough regions have settled yet
	Regional   State = "regional"   // a minority is down: nobody is paged
	Degraded   State = "degraded"   // slower than usual, a quorum agrees
	Recovering State = "recovering" // works again, mail of the outage is still missing
	Blind      State = "blind"      // too few regions can tell
	Down       State = "down"       // a quorum of regions agrees
)

// Status is GET /api/v1/status: what this coordinator sees now.
type Status struct {
	Cluster   string     `json:"cluster"`
	Node      string     `json:"node"` // the coordinator that answers
	Version   string     `json:"version"`
	Now       time.Time  `json:"now"`
	Roster    string     `json:"roster"` // hash of the roster in force
	Services  []Service  `json:"services"`
	Nodes     []Node     `json:"nodes"`
	Incidents []Incident `json:"incidents"`             // open ones first, then the newest 20
	Unjournal bool       `json:"unjournaled,omitempty"` // the journal cannot be written: decisions go on, unrecorded
}

// Service is the light of one service.
type Service struct {
	Name     string       `json:"name"`
	Provider string       `json:"provider"`
	State    State        `json:"state"`
	Since    time.Time    `json:"since,omitzero"`
	Regions  []Region     `json:"regions"`
	N        int          `json:"n"`                  // regions configured
	Quorum   int          `json:"quorum"`             // regions needed
	Drawing  string       `json:"drawing"`            // the vote as text
	Incident string       `json:"incident,omitempty"` // id of the open incident
	Count    report.Count `json:"count"`              // canaries since its onset
}

// Region is one region's vote on a service.
type Region struct {
	Name  string       `json:"name"`
	Fresh bool         `json:"fresh"`                 // a report not older than the freshness limit stands behind it
	Age   float64      `json:"age_seconds,omitempty"` // bound on the age of that report
	Vote  vote.Vote    `json:"vote"`
	Count report.Count `json:"count"`
}

// Node is one daemon as seen from the answering coordinator.
type Node struct {
	Name     string  `json:"name"`
	Role     string  `json:"role"`
	Region   string  `json:"region"`
	Member   bool    `json:"member"` // reachable through the mesh
	Fresh    bool    `json:"fresh"`
	Age      float64 `json:"age_seconds,omitempty"`
	Boot     uint64  `json:"boot,omitempty"`
	Silenced bool    `json:"silenced,omitempty"` // equivocated; its votes do not count
}

// Incident is an opened subject, from its onset to its close.
type Incident struct {
	ID         string       `json:"id"`      // "outage/<service>/<epoch>"
	Subject    string       `json:"subject"` // "outage/<service>"
	Epoch      uint64       `json:"epoch"`
	Key        string       `json:"key"`   // dedup key of its page
	State      string       `json:"state"` // open, recovering, closed
	Service    string       `json:"service"`
	Provider   string       `json:"provider"`
	Onset      time.Time    `json:"onset"`  // first failed canary
	Opened     time.Time    `json:"opened"` // declared by the quorum
	Paged      time.Time    `json:"paged,omitzero"`
	PagedBy    string       `json:"paged_by,omitempty"`
	Recovering time.Time    `json:"recovering,omitzero"` // first time that a quorum saw it work again
	Closed     time.Time    `json:"closed,omitzero"`
	Resolved   time.Time    `json:"resolved,omitzero"` // the resolve was accepted by the paging service
	Count      report.Count `json:"count"`             // canaries sent since its onset, all regions
	Drawing    string       `json:"drawing"`           // the vote that opened it
	Timeline   []Event      `json:"timeline,omitempty"`
}

// Event is one line of an incident's time line.
type Event struct {
	At   time.Time `json:"at"`
	What string    `json:"what"` // opened, paged, recovering, closed, resolved, vote changes ...
	Text string    `json:"text,omitempty"`
}
