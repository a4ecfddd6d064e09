package collect

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mailquorum/internal/secret"
	"mailquorum/probes"
	"mailquorum/probes/mailtest"
)

// BenchmarkDrain drains a backlog of canaries: seen, deleted, over TLS and TCP of
// this machine, from the library's own server in memory.
func BenchmarkDrain(b *testing.B) {
	for _, n := range []int{100, 5_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				p, err := mailtest.StartProvider(mailtest.ProviderConfig{
					Listen: func(string) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") },
					IMAPS:  "127.0.0.1:0", Users: []mailtest.User{{Name: "agent1", Password: "secret-1"}},
				})
				if err != nil {
					b.Fatal(err)
				}
				for i := range n {
					if err := p.Put("agent1", "INBOX", canary(ours, byte(i))); err != nil {
						b.Fatal(err)
					}
				}
				var seen atomic.Int64
				var once sync.Once
				drained := make(chan struct{})
				box := New(Config{Name: "box", Address: p.Addr("imaps"), TLSConfig: &tls.Config{RootCAs: p.CA(), ServerName: p.Host()}, Username: "agent1", Password: secret.New("secret-1")}, Handler{
					Seen: func(s Sighting) bool {
						_, own := ours.Verify(s.Tags[0])
						seen.Add(1)
						return own
					},
					Scanned: func(began time.Time) { once.Do(func() { close(drained) }) },
					Failed:  func(err *probes.Error) { b.Error(err) },
				})
				ctx, stop := context.WithCancel(b.Context())
				done := make(chan error)
				b.StartTimer()
				go func() { done <- box.Run(ctx) }()
				<-drained
				b.StopTimer()
				stop()
				<-done
				left, err := p.Count("agent1", "INBOX")
				if err != nil || left != 0 || seen.Load() != int64(n) {
					b.Errorf("%d seen, %d left, %v", seen.Load(), left, err)
				}
				p.Close()
				b.StartTimer()
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "arrivals/s")
		})
	}
}
