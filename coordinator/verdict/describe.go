package verdict

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"mailquorum/internal/report"
	"mailquorum/internal/vote"
	"mailquorum/probes"
)

// Least widths of the drawing's columns, in characters, gap included.
const (
	wordWidth  = 11
	stageWidth = 16
	codeWidth  = 14
)

// row is one region's line of the drawing.
type row struct {
	region, mark, word string
	where, code        string
	note               string // in place of where and code
	ago                string
}

// Describe draws the verdict as text, one line per region and the result:
//
//	eu-west   ✗ refused    submit/tls      421 4.7.0     2m ago
//	us-east   ✗ overdue    transit                       1m ago
//	ap-south  – abstains   control probe failed          3m ago
//	outage: 2 of 3 regions (need 2)
//
// The page, the API and the tests show the same drawing.
func (v Verdict) Describe() string {
	rows := make([]row, len(v.Ballots))
	name, word, where, code := 0, wordWidth, stageWidth, codeWidth
	for i := range v.Ballots {
		r := v.row(&v.Ballots[i])
		rows[i] = r
		name = max(name, width(r.region)+2)
		word = max(word, width(r.word)+2)
		if r.note == "" {
			where, code = max(where, width(r.where)+2), max(code, width(r.code)+2)
		}
	}
	var b strings.Builder
	for _, r := range rows {
		line := pad(r.region, name) + r.mark + " " + pad(r.word, word)
		if r.note != "" {
			line += pad(r.note, where+code)
		} else {
			line += pad(r.where, where) + pad(r.code, code)
		}
		b.WriteString(strings.TrimRight(line+r.ago, " "))
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%s: %d of %d regions (need %d)%s\n", v.Question, v.Down, v.N, v.Q, comma(v.Caveat()))
	return b.String()
}

// row describes one ballot.
func (v *Verdict) row(b *Ballot) row {
	r := row{region: b.Region.Name, ago: ago(v.At, b.Vote.Since)}
	switch {
	case !b.Fresh && b.Vote.Reason == vote.Convicted:
		r.mark, r.word, r.note = "·", "silenced", b.Vote.Reason.String()
	case !b.Fresh && b.Vote.Since.IsZero():
		r.mark, r.word, r.note = "·", "silent", "never heard"
	case !b.Fresh:
		r.mark, r.word = "·", "silent"
	case v.behind(b):
		r.mark, r.word, r.note, r.ago = "·", "behind", fmt.Sprintf("votes on epoch %d, not %d", b.Epoch, v.Epoch), ""
	case v.opinion(b) == vote.Down:
		r.mark, r.word, r.where, r.code = "✗", reason(b.Vote.Reason), where(b.Vote.Stage), reply(b.Vote)
	case v.opinion(b) == vote.Up:
		r.mark, r.word, r.ago = "✓", "up", ""
	case b.Vote.Opinion == vote.Abstain:
		r.mark, r.word, r.note = "–", "abstains", b.Vote.Reason.String()
	default:
		r.mark, r.word, r.note = "·", "unsettled", b.Vote.Reason.String()
	}
	return r
}

// Caveat says why the verdict is less than its number of down votes suggests:
// "blind: 2 can tell", "all in one failure domain"; empty when it is not.
func (v Verdict) Caveat() string {
	switch {
	case v.Opens() || v.Down == 0 && !v.Blind():
		return ""
	case v.State == Unsettled:
		return fmt.Sprintf("unsettled: %d can tell", v.CanTell())
	case v.Blind():
		return fmt.Sprintf("blind: %d can tell", v.CanTell())
	case v.Down < v.Q || v.Question == report.Account:
		return ""
	case v.Counted < v.Down && v.Credentials < neededDomains:
		return "AUTH fails in one credential domain only"
	}
	return "all in one failure domain"
}

func comma(s string) string {
	if s == "" {
		return ""
	}
	return ", " + s
}

func reason(r vote.Reason) string {
	if r == vote.None {
		return "down"
	}
	return r.String()
}

// where names the leg and stage of a failure.
func where(s probes.Stage) string {
	switch {
	case s == probes.StageNone:
		return ""
	case s < probes.StageTransit:
		return "submit/" + s.String()
	}
	return s.String()
}

func reply(v vote.Vote) string {
	if v.Code == 0 {
		return v.Enhanced
	}
	return strings.TrimRight(fmt.Sprintf("%d %s", v.Code, v.Enhanced), " ")
}

// ago is the time from then to now in the largest unit that it fills once.
func ago(now, then time.Time) string {
	if then.IsZero() {
		return ""
	}
	return Span(now.Sub(then)) + " ago"
}

// Span writes a duration in the largest unit of s, m, h and d that it fills once
// (hours up to two days): "40s",
// "2m", "47m", "3h", "2d". A negative one, of a wrong clock, is "0s".
func Span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(d, 0)/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

func width(s string) int { return utf8.RuneCountInString(s) }

func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-width(s))) }
