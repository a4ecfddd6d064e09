package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"mailquorum/agent/evidence"
	"mailquorum/internal/sim"
)

// study is one run of everything.
type study struct {
	ctx    context.Context
	years  float64
	trials int
	seed   uint64
	plots  map[string][]byte
	doc    strings.Builder
}

// The lesser figures get this part of the chief figures' effort.
const (
	yearsPart  = 20
	trialsPart = 16
)

func (s *study) all() (string, error) {
	s.head()
	for _, f := range []func() error{s.worldA, s.worldB, s.slowHours, s.ablations, s.beyond, s.weakSpots, s.vary, s.closing} {
		if err := f(); err != nil || s.ctx.Err() != nil {
			return "", err
		}
	}
	return s.doc.String(), nil
}

func (s *study) say(format string, args ...any) { fmt.Fprintf(&s.doc, format, args...) }

func (s *study) head() {
	s.say("# The decision, measured\n\n")
	s.say("Written by `go run ./internal/sim/decision -years %g -trials %d -seed %d -o docs/decision.md`; do not edit.\n", s.years, s.trials, s.seed)
	s.say("The same command gives the same bytes.\n\n")
	s.say("The simulation drives the code that runs in life: `agent/evidence` for each region, its reports signed, sent over a\n" +
		"mesh that loses one message in twenty, delays, duplicates and reorders the others, put on `report.Board`, tallied by\n" +
		"`coordinator/verdict` and opened by `coordinator/incident` under a certificate, at three coordinators. Only the first\n" +
		"to open counts. The worlds (`internal/sim/world.go`) are assumptions; nothing here was measured on the internet. The\n" +
		"rules in the other rows are the published ones in the same worlds with the same local faults, without loss of messages.\n" +
		"They are not measured products.\n\n" +
		"One set of defaults is used throughout. They were tuned on other seeds than this one.\n\n")
}

// run simulates, and says on standard error how far it is.
func (s *study) run(what string, o sim.Options) (*sim.Report, error) {
	o.Seed = s.seed
	o.Progress = func(done, total int) { fmt.Fprintf(os.Stderr, "\r%-50s %3d %%", what, 100*done/total) }
	return sim.Run(s.ctx, o)
}

func (s *study) base(w sim.World) sim.Options {
	return sim.Options{World: w, Years: s.years, Outages: s.trials}
}

// little is the smaller effort of the lesser figures.
func (s *study) little(w sim.World) sim.Options {
	return sim.Options{World: w, Years: s.years / yearsPart, Outages: s.trials / trialsPart}
}

// cells are the kinds' figures of a report; first is the one before the slash.
func cells(r *sim.Report, first func(sim.Result) float64) string {
	var b strings.Builder
	for _, x := range r.Results {
		fmt.Fprintf(&b, " %s / %s |", sim.Secs(first(x)), sim.Secs(x.Quantile(0.95)))
	}
	return b.String()
}

func meanOf(x sim.Result) float64 {
	if x.Missed > 0 {
		return math.Inf(1)
	}
	return x.Mean()
}

func median(x sim.Result) float64 { return x.Quantile(0.5) }

func rate(r *sim.Report) string {
	n, _, high := r.PerYear(r.Pages)
	if r.Pages == 0 {
		return fmt.Sprintf("0 (below %.2g)", high)
	}
	return fmt.Sprintf("%.2g", n)
}

func heads(kinds []sim.Kind) string {
	a, b := "", ""
	for _, k := range kinds {
		a += " " + string(k) + " |"
		b += "---|"
	}
	return a + " false pages a year | canaries a minute |\n|---|" + b + "---|---|\n"
}

// table writes ours and the baselines, with targets and Lorden's bound.
func (s *study) table(w sim.World, first func(sim.Result) float64, target string) (*sim.Report, error) {
	r, err := s.run("world "+w.Name, s.base(w))
	if err != nil {
		return nil, err
	}
	s.say("| |%s", heads(w.Outages))
	s.say("| **mailquorum** |%s %s | %.2f |\n", cells(r, first), rate(r), r.PerMinute())
	s.say("| to be held | %s |\n", target)
	for _, b := range sim.Baselines() {
		o := s.base(w)
		o.Seed, o.Years = s.seed, s.years/4
		fmt.Fprintf(os.Stderr, "\r%-50s      ", b.Name)
		x, err := sim.RunBaseline(s.ctx, b, o)
		if err != nil {
			return nil, err
		}
		s.say("| %s |%s %s | %.2f |\n", b.Name, cells(x, first), rate(x), x.PerMinute())
	}
	s.say("| Lorden's bound, scheduled canaries |")
	for _, k := range w.Outages {
		if n, ok := w.Lorden(k, 5, 10); ok {
			s.say(" %s (%.1f canaries) |", sim.Secs(n*w.Timing.Interval.Seconds()/5), n)
		} else {
			s.say(" - |")
		}
	}
	s.say(" 0.1 | 5.00 |\n\n")
	unseen := 0
	for _, x := range r.Results {
		unseen += x.Missed
	}
	s.say("%d outages of each kind, of ours %d not opened within an hour. Our false pages: %s; those of the\nother rules over %g years. %.1f %% of the canaries\nwere sent to confirm. \"Monitor blind\" pages: %d.\n\n",
		s.trials, unseen, r.FalsePages(), s.years/4, 100*r.Confirmation(), r.Blind)
	name := "decision-" + w.Name + ".svg"
	s.plots[name] = r.SVG()
	s.say("![share of outages paged by seconds since onset](%s)\n\n", name)
	return r, nil
}

func (s *study) worldA() error {
	s.say("## World a\n\nN = 5, T = 60 s, provider median 4 s, a local glitch a day and region (mean 60 s, 80 %% seen by the controls),\n" +
		"deadline 300 s. Seconds from onset to open, mean / 95th percentile.\n\n")
	_, err := s.table(sim.WorldA(), meanOf, "12 / 17 | 32 / 38 | 26 / 60 | 51 / 126 | 85 / 91 | 0 in 40 years | 5.7")
	return err
}

func (s *study) worldB() error {
	s.say("## World b\n\nHarsher: provider median 3 s and 99th percentile 30 s, a local fault of 4 minutes every 12 hours, two regions at once\n" +
		"every week, 90 %% seen by the controls, deadline 120 s. Median / 95th percentile.\n\n")
	_, err := s.table(sim.WorldB(), median, "19 / 27 | 59 / 70 | 85 / 130 | 70 / 102 | 79 / 114 | 0.018 | -")
	s.say("Lorden's bound is for one false page in ten years, from canaries whose fate is known at once; a silent loss is known\n" +
		"only as the mail grows old, so there the truth is well above it. It is in canaries: a rule that samples on suspicion\n" +
		"spends as many, but in less time. The information of a canary is that of the world's own failure rate of regions\n" +
		"whose controls see what they see.\n\n")
	return err
}

// slowHours is how often an hour of harmless slowness pages.
func (s *study) slowHours() error {
	s.say("## Hours of slowness\n\nFrom one moment on all mail is slower, for an hour, unlearned. Share of %d such hours in which an outage is paged. Twice\n"+
		"as slow is harmless; five times as slow should be \"degraded\" (in world b, some of it misses the deadline of 120 s).\n\n", s.trials/4)
	s.say("| | a, x2 | a, x3 | a, x5 | b, x2 | b, x3 | b, x5 |\n|---|---|---|---|---|---|---|\n")
	for _, v := range []struct {
		name string
		out  evidence.Feature
	}{{"**mailquorum**", 0}, {"no safety factor", evidence.Safety}, {"no adaptation", evidence.Adaptation},
		{"neither", evidence.Safety | evidence.Adaptation}} {
		s.say("| %s |", v.name)
		for _, w := range []sim.World{sim.WorldA(), sim.WorldB()} {
			o := sim.Options{World: w, Outages: s.trials / 4, Kinds: []sim.Kind{sim.Slow2, sim.Slow3, sim.Slow5}}
			o.Rule.Evidence.Without = v.out
			r, err := s.run("slow hours, "+v.name, o)
			if err != nil {
				return err
			}
			for _, x := range r.Results {
				s.say(" %.2f %% |", 100*float64(x.Trials-x.Missed)/float64(x.Trials))
			}
		}
		s.say("\n")
	}
	o := sim.Options{World: sim.WorldA(), Outages: s.trials / trialsPart, Kinds: []sim.Kind{sim.Slow5}, Degraded: true, Lasts: 15 * time.Minute}
	r, err := s.run("degraded", o)
	if err != nil {
		return err
	}
	x := r.Results[0]
	s.say("\nThe subject \"degraded\" opened in %d of %d hours five times slower in world a", len(x.Slowly), x.Trials)
	if n := len(x.Slowly); n > 0 {
		s.say(", after %s s in the median, %s s in the 95th percentile", sim.Secs(x.Slowly[n/2]), sim.Secs(x.Slowly[n*95/100]))
	}
	s.say(".\n\n")
	return nil
}
