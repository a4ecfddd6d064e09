package probes

import (
	"strings"
	"time"
)

// dateLayouts are the dates met in Received fields, day of the week and
// comments removed: RFC 5322 section 3.3, its obsolete forms, and asctime.
var dateLayouts = [...]string{
	"2 Jan 2006 15:04:05 -0700",
	"2 Jan 2006 15:04:05.999999 -0700",
	"2 Jan 2006 15:04 -0700",
	"2 Jan 06 15:04:05 -0700",
	"2 Jan 06 15:04 -0700",
	"Jan 2 15:04:05 2006 -0700",
	"2006-01-02 15:04:05 -0700",
}

// zones are the names that RFC 5322 section 4.3 defines. Other names mean
// nothing certain, so the date that has one is not read.
var zones = map[string]string{
	"UT": "+0000", "UTC": "+0000", "GMT": "+0000", "Z": "+0000",
	"EST": "-0500", "EDT": "-0400", "CST": "-0600", "CDT": "-0500",
	"MST": "-0700", "MDT": "-0600", "PST": "-0800", "PDT": "-0700",
}

// parseDate reads the date of a Received field, to UTC; the zero time when it
// cannot.
func parseDate(s string) time.Time {
	words := bareWords(s[:min(len(s), 200)])
	if len(words) > 0 && isDay(words[0]) {
		words = words[1:]
	}
	if len(words) == 0 || len(words) > 6 {
		return time.Time{}
	}
	last := &words[len(words)-1]
	if off, ok := zones[strings.ToUpper(*last)]; ok {
		*last = off
	}
	joined := strings.Join(words, " ")
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, joined); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// isDay reports whether w is the name of a day, as "Mon," or "Monday".
func isDay(w string) bool {
	w = strings.ToLower(strings.TrimRight(w, ","))
	if len(w) < 3 {
		return false
	}
	switch w[:3] {
	case "mon", "tue", "wed", "thu", "fri", "sat", "sun":
		return strings.Trim(w, letters) == ""
	}
	return false
}
