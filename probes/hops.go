package probes

import (
	"slices"
	"strings"
)

// maxHops bounds the hops that are read: RFC 5321 section 6.3 takes 100 for a
// loop, real mail has under 20. Of more, the newest are kept.
const maxHops = 50

// maxHopText bounds, in bytes, each text of a hop.
const maxHopText = 128

// ParseHops reads the Received fields of a mail's header, oldest first, at most
// 50. Whatever cannot be read is left empty, the hop stays: a hop is a server
// that was passed. Delay is the time since the newest clock before it that
// could be read; where clocks disagree it is negative and Skew is set.
func ParseHops(header []byte) []Hop {
	var hops []Hop
	eachField(header, func(name, value string) bool {
		if strings.EqualFold(name, "Received") {
			hops = append(hops, parseReceived(value))
		}
		return len(hops) < maxHops
	})
	slices.Reverse(hops)
	for i, last := 0, -1; i < len(hops); i++ {
		if hops[i].At.IsZero() {
			continue
		}
		if last >= 0 {
			hops[i].Delay = hops[i].At.Sub(hops[last].At)
			hops[i].Skew = hops[i].Delay < 0
		}
		last = i
	}
	return hops
}

// parseReceived reads one unfolded Received field: clauses of a keyword and its
// value, comments anywhere, and after the last semicolon the date (RFC 5321
// section 4.4). Servers write what they like into it, so nothing is refused.
func parseReceived(value string) Hop {
	clauses, date := cutDate(value)
	var h Hop
	h.At = parseDate(date)
	var into *string // the clause being read
	words := 0       // of it
	for _, w := range bareWords(clauses) {
		if next, ok := h.clause(w); ok {
			into, words = next, 0
			continue
		}
		words++
		switch {
		case into == nil:
		case words == 1:
			*into = w
		case into == &h.With: // "Microsoft SMTP Server", "HTTP REST (PROD)"
			*into += " " + w
		}
	}
	for _, s := range []*string{&h.From, &h.By, &h.With, &h.ID} {
		*s = Clean(strings.Trim(*s, "<>[]"))
		*s = (*s)[:min(len(*s), maxHopText)]
	}
	return h
}

// clause returns where the words after the keyword w go. A clause that stands
// there twice is read once: "with ESMTP with STARTTLS".
func (h *Hop) clause(w string) (into *string, ok bool) {
	switch strings.ToLower(w) {
	case "from":
		into = &h.From
	case "by":
		into = &h.By
	case "with":
		into = &h.With
	case "id":
		into = &h.ID
	case "for", "via", "envelope-from", "tls":
		return nil, true
	default:
		return nil, false
	}
	if *into != "" {
		return nil, true
	}
	return into, true
}

// cutDate splits at the last semicolon outside of comments, or, where comments
// are not balanced, at the last one anywhere.
func cutDate(s string) (clauses, date string) {
	depth, at := 0, -1
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			depth = max(0, depth-1)
		case ';':
			if depth == 0 {
				at = i
			}
		}
	}
	if at < 0 {
		at = strings.LastIndexByte(s, ';')
	}
	if at < 0 {
		return s, ""
	}
	return s[:at], s[at+1:]
}

// bareWords returns the words of s that stand outside of comments, at most 100.
func bareWords(s string) []string {
	var words []string
	var w strings.Builder
	depth := 0
	end := func() {
		if w.Len() > 0 {
			words = append(words, w.String())
			w.Reset()
		}
	}
	for i := 0; i < len(s) && len(words) < 100; i++ {
		switch c := s[i]; {
		case c == '\\' && depth > 0:
			i++
		case c == '(':
			end()
			depth++
		case c == ')':
			depth = max(0, depth-1)
		case depth > 0:
		case c == ' ' || c == '\t':
			end()
		default:
			w.WriteByte(c)
		}
	}
	end()
	return words
}
