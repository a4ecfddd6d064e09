package telemetry

// Type is a metric family's type in the exposition format.
type Type string

// The types in use.
const (
	Counter   Type = "counter"
	Gauge     Type = "gauge"
	Histogram Type = "histogram"
)

// Family describes one metric family. Dashboards, alert rules and docs are
// tested against this table.
type Family struct {
	Name   string
	Type   Type
	Labels []string
	Help   string
}

// Families lists every metric of both daemons, in the order of docs/metrics.md.
var Families = []Family{
	{"mailquorum_build_info", Gauge, []string{"version", "go"}, "Always 1; the labels say which build runs."},

	{"mailquorum_canaries_sent_total", Counter, []string{"route", "service", "kind"}, "Canaries begun, by kind: scheduled or confirm."},
	{"mailquorum_canary_outcomes_total", Counter, []string{"route", "service", "outcome"}, "Outcomes reached by canaries; one that becomes late after being lost counts in both."},
	{"mailquorum_canary_latency_seconds", Histogram, []string{"route", "service"}, "From the start of the submission to the first sight in the mailbox, of canaries that arrived; confirm canaries left out."},
	{"mailquorum_canary_transit_seconds", Histogram, []string{"route", "service"}, "From the final reply to DATA to the first sight in the mailbox, of canaries that arrived; confirm canaries left out."},
	{"mailquorum_stage_duration_seconds", Histogram, []string{"route", "stage"}, "Time spent in each stage of the submission that was passed."},
	{"mailquorum_stage_failures_total", Counter, []string{"route", "stage"}, "Canaries that failed, by the stage in which they did."},
	{"mailquorum_canaries_pending", Gauge, []string{"route", "service"}, "Canaries accepted by the provider whose outcome is open."},
	{"mailquorum_oldest_pending_seconds", Gauge, []string{"route", "service"}, "Age of the oldest canary whose outcome is open; 0 when there is none."},
	{"mailquorum_canary_duplicates_total", Counter, []string{"route"}, "Second and further copies of canaries."},
	{"mailquorum_canary_altered_total", Counter, []string{"route"}, "Canaries whose content changed on the way."},
	{"mailquorum_canaries_greylisted_total", Counter, []string{"route"}, "Attempts that were greylisted and are tried again after a pause."},
	{"mailquorum_greylist_delay_seconds", Histogram, []string{"route"}, "By how long greylisting delayed canaries that were then accepted; no part of their latency."},
	{"mailquorum_authentication_results_total", Counter, []string{"route", "method", "result"}, "What the receiving provider found of the canaries that arrived, by method (spf, dkim, dmarc) and result (RFC 8601 section 2.7, or other)."},
	{"mailquorum_foreign_tags_total", Counter, []string{"mailbox"}, "Mails with a tag that this agent did not make: another agent's or forged. Never counted, never touched."},
	{"mailquorum_unknown_canaries_total", Counter, []string{"mailbox"}, "Mails with a genuine tag of this agent that its journal does not know."},
	{"mailquorum_evidence_nats", Gauge, []string{"route", "service"}, "Accumulated evidence W that the route fails; at 5 and above the route votes down."},
	{"mailquorum_vote", Gauge, []string{"service", "opinion"}, "1 for the opinion that this agent's region votes on the service, 0 for the others."},
	{"mailquorum_submission_certificate_expiry_timestamp_seconds", Gauge, []string{"route"}, "Earliest expiry in the certificate chain of the submission server, Unix time; 0 until seen."},
	{"mailquorum_mailbox_scan_timestamp_seconds", Gauge, []string{"mailbox"}, "When the last complete look at the mailbox began, Unix time; 0 until one succeeded."},
	{"mailquorum_mailbox_errors_total", Counter, []string{"mailbox", "outcome"}, "Failures of the read side: failed and auth_failed are the server's, unknown is a response that we could not parse."},
	{"mailquorum_control_up", Gauge, []string{"target"}, "1 when the last check of a control target (not the provider) passed."},
	{"mailquorum_confirm_requests_total", Counter, []string{"direction"}, "Requests to probe now: sent, honoured, or refused for lack of budget."},

	{"mailquorum_service_state", Gauge, []string{"service", "state"}, "1 for the state that the coordinator sees, 0 for the others."},
	{"mailquorum_region_vote", Gauge, []string{"service", "region", "opinion"}, "1 for each region's counted opinion on the service; silent when no fresh report is known."},
	{"mailquorum_quorum_regions", Gauge, []string{"service"}, "Regions that must agree before an outage is declared."},
	{"mailquorum_incident_open", Gauge, []string{"service"}, "1 while an outage incident of the service is open or recovering."},
	{"mailquorum_incidents_total", Counter, []string{"service"}, "Outage incidents opened since the process started."},
	{"mailquorum_pages_total", Counter, []string{"destination", "action", "result"}, "Calls to paging services, by action (trigger, resolve) and result (sent, failed, refused)."},
	{"mailquorum_pages_waiting", Gauge, nil, "Pages decided and not yet delivered or superseded."},

	{"mailquorum_reports_total", Counter, []string{"result"}, "Reports received from the mesh: accepted, stale, or why they do not count."},
	{"mailquorum_report_age_seconds", Gauge, []string{"node"}, "Bound on the age of the node's newest report by this node's clock; -1 while none is known."},
	{"mailquorum_mesh_members", Gauge, nil, "Nodes that the mesh believes reachable, this one included."},
	{"mailquorum_mesh_health_score", Gauge, nil, "0 while heartbeats are answered in time; above 2 a region abstains."},
	{"mailquorum_mesh_bytes_total", Counter, []string{"direction"}, "Bytes of mesh frames sent and received."},
	{"mailquorum_mesh_dropped_total", Counter, []string{"why"}, "Frames dropped (full queue) and connections refused (unknown key)."},
	{"mailquorum_journal_errors_total", Counter, nil, "Writes that the journal refused (disk full, read-only)."},
	{"mailquorum_unjournaled", Gauge, nil, "1 while the journal cannot be written."},
}
