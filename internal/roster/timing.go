package roster

import "time"

// Timing holds every time constant on which the nodes must agree: it is part of
// the roster, so of its hash. A zero field means the default.
type Timing struct {
	Interval  time.Duration `yaml:"interval,omitempty" json:"interval"`     // T: one canary per route and region; default 60s
	Deadline  time.Duration `yaml:"deadline,omitempty" json:"deadline"`     // a canary not seen by then is lost; default 300s
	Drought   time.Duration `yaml:"drought,omitempty" json:"drought"`       // the least age of the oldest missing canary that votes down; default 60s
	Tau       time.Duration `yaml:"tau,omitempty" json:"tau"`               // memory of a run of failures in the evidence; default 30s
	Report    time.Duration `yaml:"report,omitempty" json:"report"`         // period of reports; default 5s
	Alert     time.Duration `yaml:"alert,omitempty" json:"alert"`           // period of reports while suspicious or open; default 1s
	Fresh     time.Duration `yaml:"fresh,omitempty" json:"fresh"`           // a report older than this is silence; default 20s
	Confirm   time.Duration `yaml:"confirm,omitempty" json:"confirm"`       // a confirmation is asked twice, this far apart; default 5s
	CloseHold time.Duration `yaml:"close_hold,omitempty" json:"close_hold"` // UP must hold this long before an incident closes; default 60s
	Linger    time.Duration `yaml:"linger,omitempty" json:"linger"`         // a region that fell silent while down counts as down for this long; default 10m
	Regional  time.Duration `yaml:"regional,omitempty" json:"regional"`     // a minority down for this long is a regional ticket; default 5m
	Blind     time.Duration `yaml:"blind,omitempty" json:"blind"`           // too few voters for this long is the page "monitor blind"; default 10m
	Rank      time.Duration `yaml:"rank,omitempty" json:"rank"`             // how long each coordinator waits for the one before it to page; default 4s
	Settle    time.Duration `yaml:"settle,omitempty" json:"settle"`         // after start a coordinator listens this long before it decides; default 15s
	Reopen    time.Duration `yaml:"reopen,omitempty" json:"reopen"`         // reopened within this time: intermittent, the close hold doubles; default 1h
	Control   time.Duration `yaml:"control,omitempty" json:"control"`       // controls must have passed this long before a region votes again; default 60s
}

// DefaultTiming is what a roster without a timing section gets.
func DefaultTiming() Timing {
	return Timing{
		Interval: 60 * time.Second, Deadline: 300 * time.Second, Drought: 60 * time.Second, Tau: 30 * time.Second,
		Report: 5 * time.Second, Alert: time.Second, Fresh: 20 * time.Second, Confirm: 5 * time.Second,
		CloseHold: 60 * time.Second, Linger: 10 * time.Minute, Regional: 5 * time.Minute, Blind: 10 * time.Minute,
		Rank: 4 * time.Second, Settle: 15 * time.Second, Reopen: time.Hour, Control: 60 * time.Second,
	}
}

func (t *Timing) fields() []*time.Duration {
	return []*time.Duration{&t.Interval, &t.Deadline, &t.Drought, &t.Tau, &t.Report, &t.Alert, &t.Fresh, &t.Confirm,
		&t.CloseHold, &t.Linger, &t.Regional, &t.Blind, &t.Rank, &t.Settle, &t.Reopen, &t.Control}
}

// names are those of the fields, in their order.
var names = [...]string{"interval", "deadline", "drought", "tau", "report", "alert", "fresh", "confirm",
	"close_hold", "linger", "regional", "blind", "rank", "settle", "reopen", "control"}

// validate returns what makes the decision impossible, field by field.
func (t Timing) validate(bad func(path, format string, args ...any)) {
	for i, f := range t.fields() {
		if *f < 0 {
			bad("timing."+names[i], "%v is negative", *f)
		}
	}
	d := t.WithDefaults()
	if d.Blind < 2*d.Interval+d.Fresh {
		bad("timing.blind", "%v is shorter than two intervals of %v and fresh, %v: regions have no opinion until then, so each start would page",
			d.Blind, d.Interval, d.Fresh)
	}
}

// WithDefaults returns t with the default in place of each zero field.
func (t Timing) WithDefaults() Timing {
	def := DefaultTiming()
	for i, f := range t.fields() {
		if *f == 0 {
			*f = *def.fields()[i]
		}
	}
	return t
}

// Scaled returns t with every duration multiplied by f: the demonstration and
// the tests on real servers run the same rules on a faster clock.
func (t Timing) Scaled(f float64) Timing {
	for _, d := range t.fields() {
		*d = time.Duration(float64(*d) * f)
	}
	return t
}
