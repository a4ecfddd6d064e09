package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"mailquorum/internal/report/reporttest"
	"mailquorum/internal/roster"
)

// effects are the words for what can happen, with the arguments that they take.
var effects = map[string]string{
	// The provider, as the regions WHO meet it.
	"fail":       "stage code status after share", // submissions fail at a stage: fail connect after 10s share 50%; fail envelope 550 5.1.1
	"hold":       "share",                         // accepted, and delivered only when it ends (what is under way too)
	"drop":       "share",                         // accepted, never delivered
	"slow":       "factor share",                  // x5
	"bounce":     "code status after share",       // accepted, then a non-delivery report
	"junk":       "share",                         // delivered into the junk folder
	"cut":        "share",                         // the reply to DATA is lost, the mail is delivered
	"unreadable": "stage code status",             // the mailbox cannot be read: unreadable connect; unreadable auth
	"empty":      "",                              // the mailbox is emptied, its UIDVALIDITY changes
	// The regions themselves.
	"offline": "share",  // its own network: submissions fail, controls fail, the mailbox cannot be read
	"nodns":   "share",  // its own resolvers: names of the provider and of the controls do not resolve
	"clock":   "after",  // its clock is wrong by that much: clock 1h
	"starved": "",       // its event loop is late
	"stopped": "",       // the agent does not run; it comes back with what it had learned
	"restart": "",       // at that moment
	"lies":    "value",  // votes down or up, whatever it sees
	"split":   "value",  // WHO (with their coordinators) cannot talk to the others
	"reboot":  "number", // coordinator N, or all, restarts from its journal
}

type parser struct {
	s    *Scenario
	line int
	day  time.Time
}

// Parse reads a story. The error names its file and line.
func Parse(name, text string) (*Scenario, error) {
	p := &parser{s: &Scenario{Name: name, Text: text, Latency: 4 * time.Second, Seed: 1}, day: reporttest.Start.Truncate(24 * time.Hour)}
	p.s.Begin = p.day.Add(9 * time.Hour)
	p.s.Roster = &roster.Roster{Cluster: "scenario"}
	lines := strings.Split(text, "\n")
	// What is set up comes before what happens, wherever it stands.
	for _, late := range []bool{false, true} {
		for i, l := range lines {
			p.line = i + 1
			words := strings.Fields(l)
			if len(words) == 0 || words[0][0] == '#' {
				continue
			}
			if err := p.read(words, late); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, p.line, err)
			}
		}
		if !late {
			if err := p.finish(); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return p.s, nil
}

func (p *parser) read(words []string, late bool) error {
	s := p.s
	switch words[0] {
	case "regions", "coordinators", "services", "timing", "latency", "seed", "begin":
		if late {
			return nil
		}
		if len(words) < 2 {
			return fmt.Errorf("%s: of what?", words[0])
		}
	case "until", "expect":
		if !late {
			return nil
		}
	default:
		if !late {
			return nil
		}
		return p.effect(words)
	}
	var err error
	switch words[0] {
	case "regions":
		for _, w := range words[1:] {
			w, account, _ := strings.Cut(w, "/")
			name, domain, _ := strings.Cut(w, "@")
			s.Roster.Regions = append(s.Roster.Regions, roster.Region{Name: name, Domain: domain})
			reporttest.AddNode(s.Roster, "agent-"+name, roster.Agent, name)
			s.Roster.Nodes[len(s.Roster.Nodes)-1].Credentials = account
		}
	case "coordinators":
		n, err := strconv.Atoi(words[1])
		if err != nil || n < 1 || n > len(s.Roster.Regions) {
			return fmt.Errorf("coordinators: want 1 to the number of regions, which come first")
		}
		for i := range n {
			reporttest.AddNode(s.Roster, fmt.Sprintf("coordinator-%d", i+1), roster.Coordinator, s.Roster.Regions[i].Name)
		}
	case "services":
		for _, w := range words[1:] {
			name, routes, found := strings.Cut(w, "=")
			if !found {
				routes = "mx"
			}
			s.Roster.Services = append(s.Roster.Services, roster.Service{Name: name, Provider: "provider"})
			s.Routes = append(s.Routes, strings.Split(routes, ","))
		}
	case "timing":
		text := strings.ReplaceAll(strings.Join(words[1:], "\n"), "=", ": ")
		err = yaml.UnmarshalWithOptions([]byte(text), &s.Roster.Timing, yaml.Strict())
	case "latency":
		s.Latency, err = time.ParseDuration(words[1])
	case "seed":
		s.Seed, err = strconv.ParseUint(words[1], 10, 64)
	case "begin":
		s.Begin, err = p.time(words[1])
	case "until":
		if len(words) != 2 {
			return fmt.Errorf("until when?")
		}
		s.End, err = p.time(words[1])
	case "expect":
		var x Expectation
		if x, err = p.expectation(words[1:]); err == nil {
			s.Expectations = append(s.Expectations, x)
		}
	}
	return err
}

// finish fills in what was not said.
func (p *parser) finish() error {
	s := p.s
	if len(s.Roster.Services) == 0 {
		s.Roster.Services = []roster.Service{{Name: "mail", Provider: "provider"}}
		s.Routes = [][]string{{"mx"}}
	}
	if len(s.Roster.Regions) > 0 && len(s.Roster.Coordinators()) == 0 {
		reporttest.AddNode(s.Roster, "coordinator-1", roster.Coordinator, s.Roster.Regions[0].Name)
	}
	s.End = s.Begin.Add(time.Hour)
	return s.Roster.Validate()
}

// time reads HH:MM[:SS], D/HH:MM[:SS] or +DURATION.
func (p *parser) time(w string) (time.Time, error) {
	if d, ok := strings.CutPrefix(w, "+"); ok {
		x, err := time.ParseDuration(d)
		return p.s.Begin.Add(x), err
	}
	day := p.day
	if d, rest, ok := strings.Cut(w, "/"); ok {
		n, err := strconv.Atoi(d)
		if err != nil || n < 1 {
			return day, fmt.Errorf("%q: want D/HH:MM", w)
		}
		day, w = day.AddDate(0, 0, n-1), rest
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		if t, err := time.Parse(layout, w); err == nil {
			return day.Add(t.Sub(t.Truncate(24 * time.Hour))), nil
		}
	}
	return day, fmt.Errorf("%q: want a time HH:MM[:SS], D/HH:MM[:SS] or +DURATION", w)
}

// effect reads TIME[-TIME] [WHO] WHAT.
func (p *parser) effect(words []string) error {
	from, to, span := strings.Cut(words[0], "-")
	e := Effect{Share: 1, Factor: 1, line: p.line, Who: []target{{-1, -1, -1}}}
	var err error
	if e.From, err = p.time(from); err != nil {
		return err
	}
	e.To = p.s.Begin.AddDate(1, 0, 0)
	if span {
		if e.To, err = p.time(to); err != nil {
			return err
		}
	}
	if !e.From.Before(e.To) {
		return fmt.Errorf("%s: it ends before it begins", words[0])
	}
	words = words[1:]
	if len(words) > 0 && effects[words[0]] == "" && !known(words[0]) {
		if e.Who, err = p.targets(words[0]); err != nil {
			return err
		}
		words = words[1:]
	}
	if len(words) == 0 || !known(words[0]) {
		return fmt.Errorf("what happens? %q is not known", strings.Join(words, " "))
	}
	e.Kind = words[0]
	if err := p.arguments(&e, words[1:]); err != nil {
		return fmt.Errorf("%s: %w", e.Kind, err)
	}
	p.s.Effects = append(p.s.Effects, e)
	return nil
}

func known(word string) bool { _, ok := effects[word]; return ok }

func (p *parser) arguments(e *Effect, words []string) error {
	takes := strings.Fields(effects[e.Kind])
	var err error
	for i := 0; i < len(words); i++ {
		w := words[i]
		number, notNumber := strconv.Atoi(w)
		switch {
		case w == "share" && slices.Contains(takes, w) && i+1 < len(words):
			i++
			e.Share, err = strconv.ParseFloat(strings.TrimSuffix(words[i], "%"), 64)
			e.Share /= 100
		case w == "after" && slices.Contains(takes, w) && i+1 < len(words):
			i++
			e.After, err = time.ParseDuration(words[i])
		case e.Kind == "clock":
			e.After, err = time.ParseDuration(w)
		case w[0] == 'x' && slices.Contains(takes, "factor"):
			e.Factor, err = strconv.ParseFloat(w[1:], 64)
		case slices.Contains(takes, "value") || slices.Contains(takes, "number"):
			e.Value = w
		case notNumber == nil && slices.Contains(takes, "code"):
			e.Code = number
		case strings.Count(w, ".") == 2 && slices.Contains(takes, "status"):
			e.Status = w
		case slices.Contains(takes, "stage") && stageNamed(w) != 0:
			e.Stage = w
		default:
			return fmt.Errorf("%q is not understood; it takes %s", w, effects[e.Kind])
		}
		if err != nil {
			return err
		}
	}
	if slices.Contains(takes, "stage") && e.Stage == "" {
		return fmt.Errorf("at which stage?")
	}
	if e.Kind == "lies" && e.Value != "down" && e.Value != "up" {
		return fmt.Errorf("%q: want down or up", e.Value)
	}
	return nil
}

// targets reads regions with commas, each optionally with :SERVICE[/ROUTE].
func (p *parser) targets(word string) ([]target, error) {
	var out []target
	r := p.s.Roster
	for w := range strings.SplitSeq(word, ",") {
		t := target{-1, -1, -1}
		name, what, hasService := strings.Cut(w, ":")
		if name != "all" {
			t.region = slices.IndexFunc(r.Regions, func(g roster.Region) bool { return g.Name == name })
			if t.region < 0 {
				return nil, fmt.Errorf("no region, and nothing that can happen, is named %q", name)
			}
		}
		if hasService {
			service, route, hasRoute := strings.Cut(what, "/")
			if t.service = r.ServiceIndex(service); t.service < 0 {
				return nil, fmt.Errorf("no service is named %q", service)
			}
			if hasRoute {
				if t.route = slices.Index(p.s.Routes[t.service], route); t.route < 0 {
					return nil, fmt.Errorf("service %s has no route %q", service, route)
				}
			}
		}
		out = append(out, t)
	}
	return out, nil
}
