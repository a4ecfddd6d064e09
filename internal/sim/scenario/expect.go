package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"mailquorum/coordinator/incident"
	"mailquorum/internal/report"
)

// Expectation is one thing that must hold of what the coordinators said:
//
//	expect [cN] KIND SUBJECT[/SERVICE] by TIME | within DURATION of TIME | from TIME to TIME
//	expect [cN] no KIND SUBJECT[/SERVICE] [before TIME | after TIME]
//	expect [cN] [at most] COUNT KIND SUBJECT[/SERVICE]
//	expect [cN] no page | COUNT pages
//	expect [cN] state STATE [SERVICE] at TIME
//	expect [cN] vote REGION OPINION [SERVICE] at TIME
//	expect [cN] count FIELD=N|FIELD>N ... at KIND SUBJECT[/SERVICE]
//
// of coordinator N, the first if it is not said. KIND is that of a notice:
// opened, recovering, reopened, closed, regional, blind and so on. The count is
// that of the last such notice.
type Expectation struct {
	line        int
	text        string
	coordinator int
	what        string // notice, count, pages, state, vote, figures
	kind        incident.NoticeKind
	subject     incident.Subject // its kind, or all of it
	least, most int
	from, to    time.Time
	words       []string // of a state, a vote or figures
}

var noticeKinds = []incident.NoticeKind{incident.NoticeOpened, incident.NoticeRecovering, incident.NoticeReopened, incident.NoticeClosed,
	incident.NoticeRegional, incident.NoticeRegionalOver, incident.NoticeBlind, incident.NoticeBlindOver}

const unbounded = 1 << 30

func (p *parser) expectation(words []string) (Expectation, error) {
	x := Expectation{line: p.line, text: strings.Join(words, " "), coordinator: 1, most: unbounded, from: p.s.Begin, to: p.s.Begin.AddDate(9, 0, 0)}
	if len(words) > 0 && len(words[0]) == 2 && words[0][0] == 'c' {
		n, err := strconv.Atoi(words[0][1:])
		if err != nil || n < 1 || n > len(p.s.Roster.Coordinators()) {
			return x, fmt.Errorf("expect: no coordinator %s", words[0])
		}
		x.coordinator, words = n, words[1:]
	}
	bad := fmt.Errorf("expect: %q is not understood", x.text)
	if len(words) < 2 {
		return x, bad
	}
	var err error
	switch {
	case words[0] == "state" || words[0] == "vote" || words[0] == "count":
		return p.sight(x, words)
	case words[0] == "no":
		x.what, x.least, x.most, words = "count", 0, 0, words[1:]
	case words[0] == "at" && words[1] == "most" && len(words) > 3:
		x.what, x.least, words = "count", 0, words[2:]
		if x.most, err = strconv.Atoi(words[0]); err != nil {
			return x, bad
		}
		words = words[1:]
	default:
		if n, err := strconv.Atoi(words[0]); err == nil {
			x.what, x.least, x.most, words = "count", n, n, words[1:]
		} else {
			x.what, x.least = "notice", 1
		}
	}
	if len(words) > 0 && (words[0] == "page" || words[0] == "pages") {
		x.kind = "page"
		return x, p.window(&x, words[1:], bad)
	}
	if len(words) < 2 || !slices.Contains(noticeKinds, incident.NoticeKind(words[0])) {
		return x, bad
	}
	x.kind, x.subject = incident.NoticeKind(words[0]), incident.Subject(words[1])
	if s := x.subject.Service(); s != "" && p.s.Roster.ServiceIndex(s) < 0 {
		return x, fmt.Errorf("expect: no service is named %q", s)
	}
	if x.what == "notice" && len(words) == 2 {
		return x, bad
	}
	return x, p.window(&x, words[2:], bad)
}

// window reads when.
func (p *parser) window(x *Expectation, words []string, bad error) error {
	var err error
	switch {
	case len(words) == 0:
		return nil
	case len(words) == 2 && (words[0] == "by" || words[0] == "before"):
		x.to, err = p.time(words[1])
	case len(words) == 2 && words[0] == "after":
		x.from, err = p.time(words[1])
	case len(words) == 4 && words[0] == "from" && words[2] == "to":
		if x.from, err = p.time(words[1]); err == nil {
			x.to, err = p.time(words[3])
		}
	case len(words) == 4 && words[0] == "within" && words[2] == "of":
		var d time.Duration
		if d, err = time.ParseDuration(words[1]); err == nil {
			x.from, err = p.time(words[3])
			x.to = x.from.Add(d)
		}
	default:
		return bad
	}
	return err
}

// sight reads what must be seen at a moment.
func (p *parser) sight(x Expectation, words []string) (Expectation, error) {
	at := slices.Index(words, "at")
	bad := fmt.Errorf("expect: %q is not understood", x.text)
	if at < 2 || at+1 >= len(words) {
		return x, bad
	}
	x.words = words[1:at]
	if words[0] == "count" {
		x.what, x.kind = "figures", incident.NoticeKind(words[at+1])
		if at+2 < len(words) {
			x.subject = incident.Subject(words[at+2])
		}
		return x, nil
	}
	x.what = words[0]
	var err error
	x.from, err = p.time(words[at+1])
	return x, err
}

// Said is one notice of one coordinator, the first being 1.
type Said struct {
	Coordinator int
	incident.Notice
}

// Result is what a story came to.
type Result struct {
	Scenario *Scenario
	Said     []Said
	Unmet    []string // expectations that do not hold, and faults
}

// Err returns everything that does not hold, or nil.
func (r *Result) Err() error {
	if len(r.Unmet) == 0 {
		return nil
	}
	return fmt.Errorf("%s", strings.Join(r.Unmet, "\n"))
}

// String is what was said, one line each.
func (r *Result) String() string {
	var b strings.Builder
	for _, s := range r.Said {
		page := ""
		if s.Page {
			page = " PAGE"
		}
		fmt.Fprintf(&b, "%s c%d %s %s/%d%s: %s\n", r.clock(s.At), s.Coordinator, s.Kind, s.Subject, s.Epoch, page, s.Text)
	}
	return b.String()
}

// clock is a time as the language writes it.
func (r *Result) clock(t time.Time) string {
	first := r.Scenario.Begin.Truncate(24 * time.Hour)
	return fmt.Sprintf("%d/%s", t.Sub(first)/(24*time.Hour)+1, t.Format("15:04:05"))
}

func (r *Result) fault(format string, args ...any) {
	r.Unmet = append(r.Unmet, r.Scenario.Name+": "+fmt.Sprintf(format, args...))
}

func (r *Result) unmet(x Expectation, format string, args ...any) {
	r.Unmet = append(r.Unmet, fmt.Sprintf("%s:%d: expect %s: %s", r.Scenario.Name, x.line, x.text, fmt.Sprintf(format, args...)))
}

// match returns what was said of the kind that x is about, at any time.
func (r *Result) match(x Expectation) []Said {
	var out []Said
	for _, s := range r.Said {
		of := s.Subject == x.subject || !strings.Contains(string(x.subject), "/") && s.Subject.Kind() == string(x.subject)
		if x.kind == "page" {
			of = s.Page && (s.Kind == incident.NoticeOpened || s.Kind == incident.NoticeBlind)
		} else {
			of = of && s.Kind == x.kind
		}
		if s.Coordinator == x.coordinator && of {
			out = append(out, s)
		}
	}
	return out
}

// look checks what must be seen at this moment.
func (r *Result) look(w *world, x Expectation) {
	c := w.coordinators[x.coordinator-1]
	service := 0
	if n := map[string]int{"state": 1, "vote": 2}[x.what]; len(x.words) > n {
		service = max(0, w.s.Roster.ServiceIndex(x.words[n]))
	}
	v := c.verdicts[service*len(questions)]
	if x.what == "state" {
		if string(v.State) != x.words[0] {
			r.unmet(x, "it is %s:\n%s", v.State, v.Describe())
		}
		return
	}
	for _, b := range v.Ballots {
		if b.Region.Name == x.words[0] {
			got := b.Vote.Opinion.String()
			if !b.Fresh {
				got = "silent"
			}
			if len(x.words) < 2 || got != x.words[1] {
				r.unmet(x, "it is %s:\n%s", got, v.Describe())
			}
		}
	}
}

// judge checks all other expectations, and what must hold of any story.
func (r *Result) judge() {
	for _, x := range r.Scenario.Expectations {
		switch all := r.match(x); x.what {
		case "notice", "count":
			n := 0
			var when []string
			for _, s := range all {
				when = append(when, r.clock(s.At))
				if !s.At.Before(x.from) && !s.At.After(x.to) {
					n++
				}
			}
			if n < x.least || n > x.most {
				r.unmet(x, "said %d times then, in all at %v", n, when)
			}
		case "figures":
			if len(all) == 0 {
				r.unmet(x, "never said")
				continue
			}
			for _, w := range x.words {
				if why := figure(w, all[len(all)-1].Count); why != "" {
					r.unmet(x, "%s", why)
				}
			}
		}
	}
	r.invariants()
}

// figure checks one FIELD=N or FIELD>N.
func figure(w string, c report.Count) string {
	i := strings.IndexAny(w, "=>")
	if i < 0 {
		return w + ": want FIELD=N or FIELD>N"
	}
	got, ok := map[string]uint32{"sent": c.Sent, "delivered": c.Delivered, "late": c.Late, "failed": c.Failed, "lost": c.Lost,
		"pending": c.Pending, "unknown": c.Unknown}[w[:i]]
	n, err := strconv.Atoi(w[i+1:])
	switch {
	case !ok || err != nil:
		return w + ": no such figure"
	case w[i] == '=' && int(got) != n, w[i] == '>' && int(got) <= n:
		return fmt.Sprintf("%s is %d", w[:i], got)
	}
	return ""
}

// invariants hold of every story: each coordinator opens an epoch once and closes
// it at most once, after it was opened, and never holds two open.
func (r *Result) invariants() {
	type at struct {
		c int
		s incident.Subject
	}
	open, last := map[at]uint64{}, map[at]uint64{}
	for _, s := range r.Said {
		k := at{s.Coordinator, s.Subject}
		switch s.Kind {
		case incident.NoticeOpened:
			if open[k] != 0 || s.Epoch <= last[k] {
				r.fault("c%d opens %s/%d after %d", s.Coordinator, s.Subject, s.Epoch, last[k])
			}
			open[k], last[k] = s.Epoch, s.Epoch
		case incident.NoticeClosed:
			if open[k] != s.Epoch {
				r.fault("c%d closes %s/%d, while %d is open", s.Coordinator, s.Subject, s.Epoch, open[k])
			}
			open[k] = 0
		}
	}
}
