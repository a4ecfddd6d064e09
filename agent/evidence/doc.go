// Package evidence turns the outcomes of one region's canaries into that
// region's vote. It is pure: it does no I/O, has no clock and takes now from
// its caller. A vote depends on the region's own canaries and controls alone:
// peers may change what is measured, never what is concluded.
//
// A [Route] keeps the newest canaries of one directed path in the order in which
// they were sent, with what is known of each, and weighs them anew for each
// question: a CUSUM that knows runs (failures shortly after one another are
// probably one event), and in which a canary that is overdue counts by how
// unlikely its absence is under the learned latency. Because the order is that of
// sending, it does not matter in which order the outcomes became known, and a
// correction (lost, then late) corrects the past.
//
// A [Local] answers "is it me?" and has the last word on each vote.
//
// A Route and a Local are not safe for concurrent use.
package evidence
