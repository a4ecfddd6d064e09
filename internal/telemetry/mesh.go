package telemetry

import "mailquorum/internal/mesh"

// RegisterMesh registers the mesh's metrics; read is called at each scrape.
func RegisterMesh(m *Metrics, read func() mesh.Stats) {
	m.GaugeFunc("mailquorum_mesh_members", func() float64 { return float64(read().Members) })
	m.GaugeFunc("mailquorum_mesh_health_score", func() float64 { return float64(read().Health) })
	m.counterFunc("mailquorum_mesh_bytes_total", func() float64 { return float64(read().BytesIn) }, "in")
	m.counterFunc("mailquorum_mesh_bytes_total", func() float64 { return float64(read().BytesOut) }, "out")
	m.counterFunc("mailquorum_mesh_dropped_total", func() float64 { return float64(read().Dropped) }, "queue")
	m.counterFunc("mailquorum_mesh_dropped_total", func() float64 { return float64(read().Strangers) }, "stranger")
}

// counterFunc registers a counter that f answers at each scrape: a gauge to the
// library, a counter to whoever reads the exposition.
func (m *Metrics) counterFunc(name string, f func() float64, values ...string) {
	m.set.NewGauge(m.series(name, Counter, values), f)
}
