package evidence

import (
	"math"

	"github.com/DataDog/sketches-go/ddsketch"
)

const (
	safety      = 1.5    // ages are divided by it before they count against the provider,
	unproven    = 2.7    // or by this while nothing sent later has arrived,
	proof       = 8      // and by less the more has: as if this many times as many
	slowest     = 4      // the slowness of the hour is believed up to here
	slowWeight  = 0.3    // of the newest delivery in the slowness of the hour
	slowBias    = 0.15   // of the mean log latency over the log median, which is no slowness
	accuracy    = 0.02   // relative, of the sketch
	memory      = 20000  // canaries over which old latencies fade: 14 days at one a minute
	priorWeight = 20     // canaries that the assumption about latency weighs, before any is learned
	tableSize   = 256    // points of the survival table
	tableSpan   = 250000 // its last age over its first
	refresh     = 64     // canaries between two tables, four times as many once much is known
)

// latencies is what a route has learned about the time from sending to arrival:
// a streaming quantile sketch of all of it, and the slowness of the hour.
type latencies struct {
	sketch *ddsketch.DDSketch
	fresh  int     // samples since the table was made
	slow   float64 // moving mean of log(latency / median)

	slowness float64 // how many times slower than usual the provider is in this hour: 1 to slowest

	first float64            // age of the table's first point, in seconds
	step  float64            // between its points, in log age
	prior [tableSize]float64 // what is assumed before any is learned, weighed
	table [tableSize]float64
	known float64 // canaries that the table is made of

	median, p95, p99, p999 float64 // seconds, without safety
}

func newLatencies(p *Params) *latencies {
	l := &latencies{first: p.Interval.Seconds() / 6000, step: math.Log(tableSpan) / (tableSize - 1)}
	median := p.Drought.Seconds() / 6 // assumed, with sigma 1
	for i := range l.prior {
		z := math.Log(l.first) + float64(i)*l.step - math.Log(median)
		l.prior[i] = priorWeight * 0.5 * math.Erfc(z/math.Sqrt2)
	}
	sk, err := ddsketch.LogCollapsingLowestDenseDDSketch(accuracy, 1024)
	if err != nil {
		panic("evidence: " + err.Error()) // constant accuracy
	}
	l.sketch = sk
	l.slower(0)
	l.tabulate()
	return l
}

// learn adds a delivery of a scheduled canary, in seconds.
func (l *latencies) learn(latency float64) {
	if !(latency > 0) || l.sketch.Add(latency) != nil {
		return
	}
	if l.fresh++; l.fresh >= 4*refresh || l.fresh >= refresh && l.known < 64*refresh || l.known < refresh {
		l.tabulate()
	}
}

// feel moves the slowness of the hour by a delivery of any canary.
func (l *latencies) feel(latency float64) {
	if !(latency > 0) {
		return
	}
	x := min(math.Log(2*slowest), max(-math.Log(2*slowest), math.Log(latency/l.median)))
	l.slower(l.slow + slowWeight*(x-l.slow))
}

func (l *latencies) slower(x float64) {
	l.slow = x
	l.slowness = math.Exp(min(math.Log(slowest), max(0, x-slowBias)))
}

// tabulate lets old samples fade and makes the table of the survival function.
func (l *latencies) tabulate() {
	if l.fresh > 0 {
		l.sketch.Reweight(math.Exp(-float64(l.fresh) / memory)) // positive: no error
	}
	l.fresh = 0
	l.known = l.sketch.GetCount()
	var hist [tableSize]float64 // weight in (age i-1, age i]
	beyond := 0.0
	l.sketch.ForEach(func(v, count float64) bool {
		if i := int(math.Ceil(math.Log(v/l.first) / l.step)); i < tableSize {
			hist[max(0, i)] += count
		} else {
			beyond += count
		}
		return false
	})
	for i := tableSize - 1; i >= 0; i-- {
		l.table[i] = (beyond + l.prior[i]) / (l.known + priorWeight)
		beyond += hist[i]
	}
	l.median, l.p95, l.p99, l.p999 = l.quantile(0.5), l.quantile(0.95), l.quantile(0.99), l.quantile(0.999)
}

// survival is the learned probability that a mail which will arrive has not
// arrived at that age, in seconds.
func (l *latencies) survival(age float64) float64 {
	if age <= l.first {
		return 1
	}
	x := math.Log(age/l.first) / l.step
	i := int(x)
	if i >= tableSize-1 {
		return l.table[tableSize-1]
	}
	x -= float64(i)
	return l.table[i]*(1-x) + l.table[i+1]*x
}

// quantile is the age in seconds at which the share q has arrived.
func (l *latencies) quantile(q float64) float64 {
	lo, hi := 0, tableSize-1
	for lo < hi { // first point with survival <= 1-q
		if m := (lo + hi) / 2; l.table[m] <= 1-q {
			hi = m
		} else {
			lo = m + 1
		}
	}
	return l.first * math.Exp(float64(lo)*l.step)
}
