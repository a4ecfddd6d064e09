package agent

import (
	"hash/fnv"
	"time"
)

// phase is where within its interval a region probes a service, in [0,1). The
// regions of a service are spread evenly, so that any moment is within T/N of a
// canary; the service's name shifts them all, so that services do not collide.
// It does not change over restarts.
func phase(service string, region, regions int, route string) float64 {
	p := unit(service) + float64(region)/float64(max(regions, 1)) + unit(route)/float64(4*max(regions, 1))
	return p - float64(int(p))
}

func unit(s string) float64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	x := h.Sum64() * 0x9e3779b97f4a7c15 // FNV alone leaves the high bits of short names alike
	return float64(x>>11) / (1 << 53)
}

// nextSlot returns the first time after now at which a route with this phase is
// due. The slots are those of the wall clock, so all regions share them.
func nextSlot(now time.Time, interval time.Duration, phase float64) time.Time {
	off := time.Duration(phase * float64(interval))
	since := time.Duration(now.UnixNano()) - off
	wait := interval - since%interval
	if wait > interval {
		wait -= interval
	}
	return now.Add(wait)
}
