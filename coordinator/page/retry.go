package page

import (
	"net/http"
	"strconv"
	"time"
)

// RetryAfter reads the header of that name in its two forms, seconds and date
// (RFC 9110 section 10.2.3). Nonsense is 0; the most is a day.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if s, err := strconv.Atoi(v); err == nil {
		return time.Duration(max(0, min(s, 24*3600))) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, min(at.Sub(now), 24*time.Hour))
	}
	return 0
}
