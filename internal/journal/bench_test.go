package journal

import (
	"path/filepath"
	"sync/atomic"
	"testing"
)

// One caller, one fsync for each row; and many callers that share them.
func BenchmarkWrite(b *testing.B) {
	for name, callers := range map[string]int{"one caller": 1, "32 callers": 32} {
		b.Run(name, func(b *testing.B) {
			j, err := Open(filepath.Join(b.TempDir(), "a.db"), schema)
			if err != nil {
				b.Fatal(err)
			}
			defer j.Close()
			var n atomic.Int64
			b.SetParallelism(callers)
			if callers == 1 {
				for b.Loop() {
					if err := j.Write(put(int(n.Add(1)), "x")); err != nil {
						b.Fatal(err)
					}
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := j.Write(put(int(n.Add(1)), "x")); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
