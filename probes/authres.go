package probes

import (
	"slices"
	"strings"
)

// AuthResults is what the receiving provider found of SPF, DKIM and DMARC
// (RFC 8601). It explains why a canary was junked, and never decides anything.
type AuthResults struct {
	Server string `json:"server,omitempty"` // authserv-id; empty where the provider writes none (Microsoft)
	SPF    string `json:"spf,omitempty"`    // a result of RFC 8601 section 2.7, "other", or empty: not said
	DKIM   string `json:"dkim,omitempty"`   // of several signatures, pass if one passed
	DMARC  string `json:"dmarc,omitempty"`
}

// AuthWords are the results that an AuthResults can hold: those of RFC 8601 section
// 2.7, and "other" for whatever else a provider invents.
func AuthWords() []string { return slices.Clone(authWords[:]) }

var authWords = [...]string{"none", "pass", "fail", "policy", "neutral", "temperror", "permerror", "hardfail", "softfail", "other"}

// Each calls f with each method of which something was said, in a fixed order.
func (a AuthResults) Each(f func(method, result string)) {
	for _, p := range [][2]string{{"spf", a.SPF}, {"dkim", a.DKIM}, {"dmarc", a.DMARC}} {
		if p[1] != "" {
			f(p[0], p[1])
		}
	}
}

// String is the results on one line, "spf=pass dkim=fail dmarc=none".
func (a AuthResults) String() string {
	var parts []string
	a.Each(func(method, result string) { parts = append(parts, method+"="+result) })
	return strings.Join(parts, " ")
}

// ParseAuthResults reads the topmost Authentication-Results field of a header
// that bears the given authserv-id, or the topmost of all if server is empty.
// Those below it were there when the mail reached the receiver, and may be
// anybody's invention (RFC 8601 section 5). It returns false if there is none.
func ParseAuthResults(header []byte, server string) (a AuthResults, ok bool) {
	eachField(header, func(name, value string) bool {
		if !strings.EqualFold(name, "Authentication-Results") {
			return true
		}
		a = parseAuthResults(value)
		ok = server == "" || strings.EqualFold(a.Server, server)
		return !ok
	})
	if !ok {
		return AuthResults{}, false
	}
	return a, true
}

// parseAuthResults reads one unfolded field. What is not understood is left out.
func parseAuthResults(value string) (a AuthResults) {
	parts := splitOutside(value, ';')
	first := strings.Fields(stripComments(parts[0]))
	// Microsoft writes no authserv-id: the first part is a result already.
	if len(first) > 0 && !strings.Contains(first[0], "=") && (len(first) == 1 || !strings.HasPrefix(first[1], "=")) {
		a.Server = Clean(unquote(first[0]))
		parts = parts[1:]
	}
	for _, p := range parts {
		method, result, ok := methodResult(p)
		if !ok {
			continue
		}
		switch method {
		case "spf":
			setFirst(&a.SPF, result)
		case "dkim":
			if result == "pass" {
				a.DKIM = result
			}
			setFirst(&a.DKIM, result)
		case "dmarc":
			setFirst(&a.DMARC, result)
		}
	}
	return a
}

// setFirst sets what is not set yet.
func setFirst(to *string, v string) {
	if *to == "" {
		*to = v
	}
}

// methodResult reads the beginning of a resinfo, "dkim/1 = pass (2048 bit) ...".
func methodResult(s string) (method, result string, ok bool) {
	method, rest, ok := strings.Cut(stripComments(s), "=")
	if !ok {
		return "", "", false
	}
	method, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(method)), "/")
	words := strings.Fields(rest)
	if len(words) == 0 || strings.ContainsAny(method, " \t") {
		return "", "", false
	}
	if result = strings.ToLower(words[0]); !slices.Contains(authWords[:], result) {
		result = "other" // "bestguesspass", "timeout", or a stranger's text
	}
	return method, result, true
}
