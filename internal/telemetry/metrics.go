// Package telemetry is how the daemons show themselves: metrics with HELP lines
// from one table, and traces that are exported only when asked for.
package telemetry

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"
)

// latencyBuckets covers a few milliseconds to a day: mail can be that late.
var latencyBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 900, 3600, 14400, 86400}

// Metrics is one process's (or, in the demonstration, one node's) set of
// metrics. It is safe for concurrent use.
type Metrics struct {
	set    *metrics.Set
	byName map[string]Family
}

// NewMetrics returns a set that holds build information only.
func NewMetrics(version string) *Metrics {
	m := &Metrics{set: metrics.NewSet(), byName: map[string]Family{}}
	for _, f := range Families {
		m.byName[f.Name] = f
	}
	m.Gauge("mailquorum_build_info", version, runtime.Version()).Set(1)
	return m
}

// series spells a series: the values follow the order of the family's labels.
// A name or a number of values that the table does not have is a bug, and panics.
func (m *Metrics) series(name string, typ Type, values []string) string {
	f, ok := m.byName[name]
	if !ok || f.Type != typ || len(f.Labels) != len(values) {
		panic(fmt.Sprintf("telemetry: %s %s with %d labels is not in the table", typ, name, len(values)))
	}
	if len(values) == 0 {
		return name
	}
	var b strings.Builder
	b.WriteString(name)
	for i, v := range values {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(f.Labels[i])
		b.WriteByte('=')
		b.WriteString(strconv.Quote(v))
	}
	b.WriteByte('}')
	return b.String()
}

// Counter returns the counter of these label values, at zero if it is new.
func (m *Metrics) Counter(name string, values ...string) *metrics.Counter {
	return m.set.GetOrCreateCounter(m.series(name, Counter, values))
}

// Histogram returns the histogram of these label values; it observes seconds.
func (m *Metrics) Histogram(name string, values ...string) *metrics.PrometheusHistogram {
	return m.set.GetOrCreatePrometheusHistogramExt(m.series(name, Histogram, values), latencyBuckets)
}

// Value is a gauge that is set.
type Value struct{ bits atomic.Uint64 }

// Set sets the gauge.
func (v *Value) Set(x float64) { v.bits.Store(math.Float64bits(x)) }

// Get returns the gauge's value.
func (v *Value) Get() float64 { return math.Float64frombits(v.bits.Load()) }

// SetBool sets the gauge to 1 or 0.
func (v *Value) SetBool(b bool) {
	if b {
		v.Set(1)
	} else {
		v.Set(0)
	}
}

// Gauge registers a gauge of these label values, at zero. Call it once for each.
func (m *Metrics) Gauge(name string, values ...string) *Value {
	v := &Value{}
	m.GaugeFunc(name, v.Get, values...)
	return v
}

// GaugeFunc registers a gauge that f answers at each scrape. Call it once for
// each set of label values.
func (m *Metrics) GaugeFunc(name string, f func() float64, values ...string) {
	m.set.NewGauge(m.series(name, Gauge, values), f)
}

// WritePrometheus writes all metrics in the text exposition format, with HELP
// and TYPE lines, and the Go runtime's own metrics after them.
func (m *Metrics) WritePrometheus(w io.Writer) {
	var raw bytes.Buffer
	m.set.WritePrometheus(&raw)
	byFamily := map[string][]string{}
	for line := range strings.Lines(raw.String()) {
		name := m.family(line)
		byFamily[name] = append(byFamily[name], line)
	}
	for _, f := range Families {
		lines := byFamily[f.Name]
		if len(lines) == 0 {
			continue
		}
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", f.Name, f.Help, f.Name, f.Type)
		for _, l := range lines {
			io.WriteString(w, l)
		}
	}
	metrics.WriteProcessMetrics(w)
}

// family returns the family that a line of the exposition belongs to.
func (m *Metrics) family(line string) string {
	end := strings.IndexAny(line, "{ ")
	if end < 0 {
		return ""
	}
	name := line[:end]
	if _, ok := m.byName[name]; ok {
		return name
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, suffix); ok {
			return base
		}
	}
	return name
}

// ServeHTTP answers a scrape.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	m.WritePrometheus(w)
}
