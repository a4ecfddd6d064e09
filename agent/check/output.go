package check

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"mailquorum/probes"
)

// The exit codes of Nagios plugins.
const (
	NagiosOK       = 0
	NagiosWarning  = 1
	NagiosCritical = 2
	NagiosUnknown  = 3
)

// Line writes a step as one line of a live report.
func Line(w io.Writer, s Step) {
	if s.Err != nil {
		fmt.Fprintf(w, "  %-16s %-9s ✗ %v\n", s.Route, s.Stage, s.Err)
		return
	}
	what := map[probes.Stage]string{probes.StageRetrieve: "mailbox read", probes.StageTransit: "arrived", probes.StageData: "accepted"}[s.Stage]
	fmt.Fprintf(w, "  %-16s %-9s ✓ %8s  %s\n", s.Route, s.Stage, round(s.Duration), what)
}

func round(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(100 * time.Microsecond).String()
}

// Table writes the results for people. It returns 0 when every canary was
// delivered in time, else 1.
func Table(w io.Writer, results []Result) int {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "ROUTE\tOUTCOME\tLATENCY\tTRANSIT\tTLS\tQUEUE ID\tAUTHENTICATION")
	code := 0
	for _, r := range results {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Route, outcome(r), orDash(r.Latency), orDash(r.transit()), dash(r.TLS.Version), dash(r.QueueID), dash(r.Auth))
		if !r.OK {
			code = 1
		}
	}
	tw.Flush()
	for _, r := range results {
		if r.Error != "" {
			fmt.Fprintf(w, "\n%s failed at %s\n", r.Route, r.Error)
		}
		if r.Hint != "" {
			fmt.Fprintf(w, "  what to do: %s\n", r.Hint)
		}
		if len(r.Altered) > 0 {
			fmt.Fprintf(w, "\n%s: altered on the way: %s\n", r.Route, strings.Join(r.Altered, ", "))
		}
		hops(w, r)
	}
	return code
}

// hops draws the path of a mail of several hops.
func hops(w io.Writer, r Result) {
	if len(r.Hops) < 2 {
		return
	}
	fmt.Fprintf(w, "\n%s: the way of the mail, by the servers' own clocks\n", r.Route)
	for _, h := range r.Hops {
		note := ""
		if h.Skew {
			note = "  (clocks disagree)"
		}
		fmt.Fprintf(w, "  %10s  %s%s\n", round(h.Delay), dash(h.By), note)
	}
}

func outcome(r Result) string {
	if r.OK || r.Stage == probes.StageNone {
		return r.Outcome.String()
	}
	return r.Outcome.String() + " (" + r.Stage.String() + ")"
}

func (r Result) transit() time.Duration {
	for _, t := range r.Timings {
		if t.Stage == probes.StageTransit {
			return t.Duration
		}
	}
	return 0
}

func orDash(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return round(d)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// JSON writes the results as one array. It returns as Table does.
func JSON(w io.Writer, results []Result) (int, error) {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	code := 0
	for _, r := range results {
		if !r.OK {
			code = 1
		}
	}
	return code, enc.Encode(results)
}

// Nagios writes one line with performance data, and returns the exit code of the
// worst route: critical when mail fails, warning when only our account or the
// folder is wrong, unknown when nothing can be said.
func Nagios(w io.Writer, results []Result) int {
	code := NagiosOK
	var bad, perf []string
	for _, r := range results {
		c := nagiosCode(r)
		if rank(c) > rank(code) {
			code = c
		}
		if c != NagiosOK {
			text := r.Error
			if text == "" {
				text = r.Outcome.String()
			}
			if r.Hint != "" {
				text += " (what to do: " + r.Hint + ")"
			}
			bad = append(bad, r.Route+": "+strings.ReplaceAll(text, "|", "/"))
		}
		if r.Latency > 0 {
			perf = append(perf, fmt.Sprintf("'%s'=%.3fs;;;0", r.Route, r.Latency.Seconds()))
		}
	}
	word := [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[code]
	text := fmt.Sprintf("%d of %d routes deliver", len(results)-len(bad), len(results))
	if len(bad) > 0 {
		text += "; " + strings.Join(bad, "; ")
	}
	line := "MAILQUORUM " + word + " - " + text
	if len(perf) > 0 {
		line += " | " + strings.Join(perf, " ")
	}
	fmt.Fprintln(w, line)
	return code
}

func nagiosCode(r Result) int {
	switch {
	case r.OK:
		return NagiosOK
	case r.Outcome == probes.Unknown:
		return NagiosUnknown
	case r.Outcome.Weight() == probes.WeightAccount && r.Outcome != probes.AuthFailed:
		return NagiosWarning
	}
	return NagiosCritical
}

// rank orders the codes by how bad they are: unknown is between warning and critical.
func rank(code int) int { return [...]int{0, 1, 3, 2}[code] }
