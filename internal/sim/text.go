package sim

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"mailquorum/internal/roster"
)

// PerMinute is the number of canaries a minute of all regions together.
func (r *Report) PerMinute() float64 { return float64(r.Canaries) / (r.Days * 1440) }

// Confirmation is the share of canaries that were sent on request.
func (r *Report) Confirmation() float64 {
	if r.Canaries == 0 {
		return 0
	}
	return float64(r.Confirms) / float64(r.Canaries)
}

// FalsePages is the yearly rate of false pages in words, with its 95 % interval.
func (r *Report) FalsePages() string {
	rate, low, high := r.PerYear(r.Pages)
	years := r.Days / 365.25
	if r.Pages == 0 {
		return fmt.Sprintf("0 in %.3g years (below %.2g a year)", years, high)
	}
	return fmt.Sprintf("%.2g a year (%.2g to %.2g; %d in %.3g years)", rate, low, high, r.Pages, years)
}

// Secs writes seconds: whole ones, "never" for infinity and a dash for what is unknown.
func Secs(x float64) string {
	switch {
	case math.IsNaN(x):
		return "-"
	case math.IsInf(x, 0):
		return "never"
	}
	return fmt.Sprintf("%.0f", x)
}

// Text is the report for a terminal: what the monitor promises with these options.
func (r *Report) Text() string {
	o := &r.Options
	var b strings.Builder
	fmt.Fprintf(&b, "world %s: %d regions, %d must agree, a canary every %v from each, seed %d\n\n",
		o.World.Name, o.Regions, roster.Quorum(o.Regions), o.World.Timing.Interval, o.Seed)
	if r.Days > 0 {
		perDay := 1440 * r.PerMinute()
		fmt.Fprintf(&b, "false pages       %s\n", r.FalsePages())
		fmt.Fprintf(&b, "canaries          %.0f a day, %.1f %% of them to confirm\n", perDay, 100*r.Confirmation())
		fmt.Fprintf(&b, "detection limit   a loss of less than %.2g %% of all mail may go unseen for a day\n\n", 100*RareLoss(perDay, 1))
	}
	if len(r.Results) > 0 {
		b.WriteString("from onset to page, seconds\n")
		rows := [][]string{{"", "mean", "half", "95 %", "unseen", r.axis()}}
		for _, x := range r.Results {
			rows = append(rows, []string{string(x.Kind), Secs(x.Mean()), Secs(x.Quantile(0.5)), Secs(x.Quantile(0.95)),
				fmt.Sprintf("%d of %d", x.Missed, x.Trials), r.strip(x)})
		}
		b.WriteString(table(rows))
	}
	if r.Canceled {
		b.WriteString("\nnot finished: what is above is of the part that was\n")
	}
	return b.String()
}

// CompareText is a table of cases for a terminal.
func CompareText(cases []Case) string {
	if len(cases) == 0 {
		return ""
	}
	head := []string{"", "false pages a year", "canaries a day"}
	for _, x := range cases[0].Report.Results {
		head = append(head, string(x.Kind))
	}
	rows := [][]string{head}
	for _, c := range cases {
		rate, low, high := c.Report.PerYear(c.Report.Pages)
		row := []string{c.Name, fmt.Sprintf("%.2g (%.2g to %.2g)", rate, low, high), fmt.Sprintf("%.0f", 1440*c.Report.PerMinute())}
		for _, x := range c.Report.Results {
			row = append(row, Secs(x.Mean())+" / "+Secs(x.Quantile(0.95)))
		}
		rows = append(rows, row)
	}
	return table(rows) + "\nmean / 95th percentile, seconds from onset to page\n"
}

// table sets rows in columns: the first to the left, the others to the right, but
// for a last one without a head that is a plot.
func table(rows [][]string) string {
	width := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, c := range r {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	var b strings.Builder
	for _, r := range rows {
		line := ""
		for i, c := range r {
			gap := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			switch {
			case i == 0:
				line += c + gap
			case strings.ContainsAny(c, "│┤"):
				line += "  " + c + gap
			default:
				line += "  " + gap + c
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// stripWidth is the width of the terminal's plot, in characters, for 5 to 500 s.
const stripWidth = 40

func (r *Report) column(s float64) int {
	x := math.Log(s/5) / math.Log(100) * (stripWidth - 1)
	return int(min(stripWidth-1, max(0, x)))
}

// axis labels the plot.
func (r *Report) axis() string {
	line := []rune(strings.Repeat(" ", stripWidth+2))
	line[0] = '│'
	for _, s := range []int{5, 10, 20, 50, 100, 200, 500} {
		label := fmt.Sprint(s)
		at := min(r.column(float64(s))+1, stripWidth+1-len(label))
		copy(line[at:], []rune(label))
	}
	return string(line)
}

// strip draws one kind: from the 5th to the 95th percentile, with the median.
func (r *Report) strip(x Result) string {
	line := []rune(strings.Repeat(" ", stripWidth))
	lo, mid, hi := x.Quantile(0.05), x.Quantile(0.5), x.Quantile(0.95)
	if len(x.After) > 0 {
		if math.IsInf(hi, 1) {
			hi = 500
		}
		for i := r.column(lo); i <= r.column(hi); i++ {
			line[i] = '─'
		}
		if !math.IsInf(mid, 1) {
			line[r.column(mid)] = '●'
		}
	}
	return "│" + string(line)
}
