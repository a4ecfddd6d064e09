package probes

import (
	"strconv"
	"strings"
)

// contentType reads a Content-Type field (RFC 2045 section 5.1): the type in
// lower case, and its parameters by lower-case name.
func contentType(value string) (typ string, params map[string]string) {
	params = map[string]string{}
	parts := splitOutside(value, ';')
	typ = strings.ToLower(strings.TrimSpace(stripComments(parts[0])))
	for _, p := range parts[1:] {
		if k, v, ok := strings.Cut(stripComments(p), "="); ok {
			params[strings.ToLower(strings.TrimSpace(k))] = unquote(strings.TrimSpace(v))
		}
	}
	return typ, params
}

// splitOutside splits s at sep where that stands outside of quoted strings and
// comments (RFC 5322 section 3.2), into at most 64 pieces.
func splitOutside(s string, sep byte) (parts []string) {
	quoted, depth, begin := false, 0, 0
	for i := 0; i < len(s) && len(parts) < 63; i++ {
		switch c := s[i]; {
		case c == '\\' && (quoted || depth > 0):
			i++
		case c == '"' && depth == 0:
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth = max(0, depth-1)
		case c == sep && depth == 0:
			parts = append(parts, s[begin:i])
			begin = i + 1
		}
	}
	return append(parts, s[begin:])
}

// stripComments puts a blank in the place of each comment outside of quoted
// strings.
func stripComments(s string) string {
	var b strings.Builder
	quoted, depth := false, 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		escaped := c == '\\' && (quoted || depth > 0) && i+1 < len(s)
		switch {
		case escaped && depth > 0:
			i++
			continue
		case escaped:
			b.WriteByte(c)
			i++
			c = s[i]
		case c == '"' && depth == 0:
			quoted = !quoted
		case quoted:
		case c == '(':
			if depth == 0 {
				b.WriteByte(' ')
			}
			depth++
		case c == ')' && depth > 0:
			depth--
			continue
		}
		if depth == 0 {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// unquote takes the quotes off a quoted string, and leaves anything else.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		if s[i] == '\\' && i+1 < len(s)-1 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// typed returns the value of a typed field, "rfc822; a@b" (RFC 3464 section
// 2.1.2), made safe.
func typed(value string) string {
	if _, v, ok := strings.Cut(value, ";"); ok {
		value = v
	}
	return Clean(strings.TrimSpace(value))
}

// action reads an Action field (RFC 3464 section 2.3.3).
func action(value string) string {
	switch a := strings.ToLower(strings.TrimSpace(stripComments(value))); a {
	case "failed", "delayed", "delivered", "relayed", "expanded":
		return a
	}
	return ""
}

// enhanced returns the enhanced status code (RFC 3463 section 2) that s begins
// with, or nothing.
func enhanced(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || s[0] != '2' && s[0] != '4' && s[0] != '5' {
		return ""
	}
	end := 0
	for end < len(s) && (s[end] == '.' || isDigit(s[end])) {
		end++
	}
	parts := strings.Split(s[:min(end, 9)], ".")
	if end > 9 || len(parts) != 3 || len(parts[0]) != 1 {
		return ""
	}
	for _, p := range parts[1:] {
		if len(p) == 0 || len(p) > 3 {
			return ""
		}
	}
	return s[:end]
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// diagnostic reads an SMTP reply as reports repeat it, "550 5.1.1 no such user".
func diagnostic(s string) (r Reply) {
	s = strings.TrimSpace(s)
	if len(s) < 3 {
		return Reply{}
	}
	code, err := strconv.Atoi(s[:3])
	if err != nil || code < 200 || code > 599 || len(s) > 3 && s[3] != ' ' && s[3] != '-' {
		return Reply{}
	}
	r.Code = code
	rest := strings.TrimLeft(s[3:], " -")
	if r.Enhanced = enhanced(rest); r.Enhanced != "" {
		rest = strings.TrimSpace(rest[len(r.Enhanced):])
	}
	r.Text = Clean(rest)
	return r
}

// findReply returns the part of a line of prose that begins with a negative
// reply code, "… said: 550 5.1.1 no such user", or nothing.
func findReply(line string) string {
	for i := 0; i+4 <= len(line); i++ {
		if i > 0 && !strings.ContainsRune(" \t:(\"'", rune(line[i-1])) {
			continue
		}
		if (line[i] == '4' || line[i] == '5') && isDigit(line[i+1]) && isDigit(line[i+2]) && (line[i+3] == ' ' || line[i+3] == '-') {
			if line[i+3] == ' ' && enhanced(line[i+4:]) == "" && i > 0 && line[i-1] != ':' {
				continue // "451 messages", "after 500 attempts"
			}
			return line[i:]
		}
	}
	return ""
}

// unxtext decodes xtext (RFC 3461 section 4); what is no xtext stays as it is.
func unxtext(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '+' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
