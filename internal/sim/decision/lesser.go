package main

import (
	"fmt"
	"time"

	"mailquorum/agent/evidence"
	"mailquorum/internal/sim"
)

// row writes one line of a table in world w.
func (s *study) row(name string, w sim.World, set func(*sim.Options)) error {
	o := s.little(w)
	if set != nil {
		set(&o)
	}
	r, err := s.run(name, o)
	if err != nil {
		return err
	}
	s.say("| %s |%s %s | %.2f |\n", name, cells(r, meanOf), rate(r), r.PerMinute())
	return nil
}

type variant struct {
	name string
	set  func(*sim.Options)
}

func (s *study) rows(w sim.World, all []variant) error {
	s.say("| |%s", heads(w.Outages))
	for _, v := range all {
		if err := s.row(v.name, w, v.set); err != nil {
			return err
		}
	}
	s.say("\n")
	return nil
}

func without(f evidence.Feature) func(*sim.Options) {
	return func(o *sim.Options) { o.Rule.Evidence.Without = f }
}

// ablations leaves parts out.
func (s *study) ablations() error {
	s.say("## Without its parts\n\n%d outages of each kind and %g years each; mean / 95th percentile; \"never\" where some were not opened within an hour.\n\n",
		s.trials/trialsPart, s.years/yearsPart)
	all := []variant{
		{"**mailquorum**", nil},
		{"no confirmation (bursts forbidden)", func(o *sim.Options) { o.Rule.NoConfirm = true }},
		{"random phases", func(o *sim.Options) { o.Rule.Phases = sim.PhasesRandom }},
		{"all at the same moment", func(o *sim.Options) { o.Rule.Phases = sim.PhasesSame }},
		{"no controls", func(o *sim.Options) { o.Rule.NoControls = true }},
		{"no overdue evidence, drought only", without(evidence.Overdue)},
		{"fixed deadline (neither)", without(evidence.Overdue | evidence.Drought)},
		{"no discount for runs", without(evidence.Runs)},
	}
	for _, w := range []sim.World{sim.WorldA(), sim.WorldB()} {
		s.say("World %s:\n\n", w.Name)
		if err := s.rows(w, all); err != nil {
			return err
		}
	}
	return nil
}

// beyond is what other parameters would give.
func (s *study) beyond() error {
	s.say("## Beyond the targets\n\nThe second canary of a confirmation comes `timing.confirm` (5 s) after the first. Sooner finds outages sooner, for as many\n" +
		"canaries; with 2 s, two failures reach h only if it is 4.8. They are not the defaults because a provider that limits bursts\n" +
		"minds them more.\n\n")
	confirm := func(t time.Duration, h float64) func(*sim.Options) {
		return func(o *sim.Options) { o.World.Timing.Confirm, o.Rule.Evidence.H = t, h }
	}
	for _, w := range []sim.World{sim.WorldA(), sim.WorldB()} {
		s.say("World %s:\n\n", w.Name)
		if err := s.rows(w, []variant{{"confirm 5 s, h = 5", nil}, {"confirm 3 s, h = 5", confirm(3*time.Second, 5)},
			{"confirm 2 s, h = 4.8", confirm(2*time.Second, 4.8)}}); err != nil {
			return err
		}
	}
	return nil
}

// weakSpots publishes them.
func (s *study) weakSpots() error {
	s.say("## Weak spots\n\nWorld a, %d outages of each kind and %g years each.\n\n", s.trials/trialsPart, s.years/4)
	unseen := func(perDay float64) func(*sim.Options) {
		return func(o *sim.Options) { o.World.Detected, o.World.FaultsPerDay = 0, perDay }
	}
	three := func(set func(*sim.Options)) func(*sim.Options) {
		return func(o *sim.Options) { o.Regions = 3; set(o) }
	}
	persistent := func(o *sim.Options) { o.Rule.Evidence.Rho, o.World.Timing.Tau = 0.85, time.Minute }
	all := []variant{
		{"N = 3", three(func(*sim.Options) {})},
		{"N = 3, the controls see nothing", three(unseen(1))},
		{"the same with h = 7.7", three(func(o *sim.Options) { unseen(1)(o); o.Rule.Evidence.H = 7.7 })},
		{"the same with rho = 0.85, tau = 60 s", three(func(o *sim.Options) { unseen(1)(o); persistent(o) })},
		{"N = 5 with rho = 0.85, tau = 60 s", persistent},
		{"the controls see nothing", unseen(1)},
		{"the controls see nothing of 6 glitches a day", unseen(6)},
		{"glitches of 3 minutes, unseen", func(o *sim.Options) { unseen(1)(o); o.World.FaultMean = 180 }},
		{"one region of five always says down", func(o *sim.Options) { o.Liars = 1 }},
		{"two regions of five are dead", func(o *sim.Options) { o.Dead = 2 }},
		{"a third of all messages lost", func(o *sim.Options) {
			o.Network = sim.DefaultNetwork()
			o.Network.Loss = 0.33
			o.Network.Extra = 500 * time.Millisecond
		}},
		{"latency twice the learned, for good", func(o *sim.Options) { o.World.LatencyFactor = 2 }},
	}
	for i, v := range all {
		all[i].set = func(o *sim.Options) { o.Years = s.years / 4; v.set(o) }
	}
	if err := s.rows(sim.WorldA(), all); err != nil {
		return err
	}
	s.say("rho = 0.85 and tau = 60 s is how persistent the glitches of world a are, and what a region could learn from those that\n" +
		"its controls see. It is not learned: what it costs in time is in the row.\n\n")
	return nil
}

// vary changes the world and the size, without tuning again.
func (s *study) vary() error {
	s.say("## Other worlds and sizes, the same defaults\n\nWorld a but for what is named.\n\n")
	var all []variant
	for _, n := range []int{3, 4, 5, 7, 9} {
		all = append(all, variant{fmt.Sprintf("N = %d", n), func(o *sim.Options) { o.Regions = n }})
	}
	for _, t := range []time.Duration{30, 120, 300} {
		all = append(all, variant{fmt.Sprintf("T = %d s", t), func(o *sim.Options) { o.World.Timing.Interval = t * time.Second }})
	}
	for _, m := range []float64{2, 10, 20} {
		all = append(all, variant{fmt.Sprintf("median %g s", m), func(o *sim.Options) { o.World.Median = m }})
	}
	all = append(all,
		variant{"heavy tail (sigma 1.2)", func(o *sim.Options) { o.World.Sigma = 1.2 }},
		variant{"2 % in the tail of minutes", func(o *sim.Options) { o.World.TailShare = 0.02 }},
		variant{"glitches of 3 minutes", func(o *sim.Options) { o.World.FaultMean = 180 }})
	return s.rows(sim.WorldA(), all)
}

// closing is how outages of 20 minutes end.
func (s *study) closing() error {
	s.say("## How outages end\n\nOutages of 20 minutes; a silent queue delivers what it held within a minute of the end. Seconds from the end to closed,\n" +
		"after every mail was delivered or called lost, and incidents opened for each outage (one is right).\n\n" +
		"| | median | 95th percentile | incidents an outage | not closed within an hour |\n|---|---|---|---|---|\n")
	for _, w := range []sim.World{sim.WorldA(), sim.WorldB()} {
		r, err := s.run("closing", sim.Options{World: w, Outages: s.trials / trialsPart, Ends: 20 * time.Minute})
		if err != nil {
			return err
		}
		for _, x := range r.Results {
			n := len(x.Closed)
			if n == 0 {
				continue
			}
			s.say("| %s: %s | %s | %s | %.2f | %d of %d |\n", w.Name, x.Kind, sim.Secs(x.Closed[n/2]), sim.Secs(x.Closed[n*95/100]),
				float64(x.Incidents)/float64(x.Trials), x.Trials-n, x.Trials)
		}
	}
	return nil
}
