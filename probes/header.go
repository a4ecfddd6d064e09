package probes

import (
	"bytes"
	"strings"
)

// Bounds of what is read of a received header. A mail comes from strangers: it
// is cut, never refused.
const (
	maxHeaderBytes = 128 << 10 // of the whole header
	maxFields      = 1000      // header fields
	maxFieldBytes  = 4 << 10   // of one field's value, unfolded
)

// eachField calls do for the fields of a message header in order, unfolded
// (RFC 5322 section 2.2.3), until do returns false, the header ends with an
// empty line, or a bound is reached. Lines that are no field are skipped. Both
// CRLF and bare LF end a line.
func eachField(header []byte, do func(name, value string) bool) {
	header = header[:min(len(header), maxHeaderBytes)]
	var name string
	var value []byte
	fields := 0
	flush := func() bool {
		if name == "" {
			return true
		}
		fields++
		ok := do(name, string(bytes.TrimSpace(value)))
		name, value = "", value[:0]
		return ok && fields < maxFields
	}
	for len(header) > 0 {
		line, rest, _ := bytes.Cut(header, []byte("\n"))
		header = rest
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			if name != "" {
				value = appendBounded(append(value, ' '), bytes.TrimLeft(line, " \t"))
			}
			continue
		}
		if !flush() {
			return
		}
		n, v, ok := bytes.Cut(line, []byte(":"))
		n = bytes.TrimRight(n, " \t") // obsolete syntax, RFC 5322 section 4.5
		if ok && fieldName(n) {
			name, value = string(n), appendBounded(value, v)
		}
	}
	flush()
}

func appendBounded(value, more []byte) []byte {
	room := max(0, maxFieldBytes-len(value))
	return append(value, more[:min(len(more), room)]...)
}

// fieldName reports whether n is a field name: printable ASCII but the colon,
// RFC 5322 section 2.2.
func fieldName(n []byte) bool {
	if len(n) == 0 || len(n) > 76 {
		return false
	}
	for _, c := range n {
		if c <= 0x20 || c > 0x7e || c == ':' {
			return false
		}
	}
	return true
}

// maxTags bounds how many candidates TagsIn and ReferredTags return.
const maxTags = 8

// TagsIn returns what looks like the tag of a canary in the header of a received
// mail, at most 8, in order of appearance: whether an agent made it says
// Key.Verify. It looks only where the mail speaks of itself (X-Mailquorum-Canary,
// Message-ID): a bounce or an automatic reply names our tag as well, in the
// fields of ReferredTags, and must not pass for the canary.
func TagsIn(header []byte) []string {
	return tagsOf(header, func(name string) bool {
		return strings.EqualFold(name, tagField) || strings.EqualFold(name, "Message-ID") ||
			strings.EqualFold(name, "X-Google-Original-Message-ID") // Gmail replaces ids that it dislikes
	})
}

// ReferredTags returns what looks like the tag of a canary that this mail
// answers (a non-delivery report, an automatic reply), at most 8, from
// In-Reply-To, References and the recipients (VERP).
func ReferredTags(header []byte) []string {
	return tagsOf(header, func(name string) bool {
		switch strings.ToLower(name) {
		case "in-reply-to", "references", "original-message-id", "to", "delivered-to", "x-original-to":
			return true
		}
		return false
	})
}

func tagsOf(header []byte, wanted func(name string) bool) []string {
	var tags []string
	eachField(header, func(name, value string) bool {
		if wanted(name) {
			for _, t := range FindTags(value, maxTags) {
				if len(tags) < maxTags && !contains(tags, t) {
					tags = append(tags, t)
				}
			}
		}
		return len(tags) < maxTags
	})
	return tags
}
