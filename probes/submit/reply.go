package submit

import (
	"fmt"
	"regexp"
	"strings"

	"mailquorum/probes"
)

var enhancedForm = regexp.MustCompile(`^([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)`)

// reply makes a Reply of a server's words: lines joined, the enhanced code (RFC
// 2034) taken out, our own secrets struck out, the rest cleaned.
func (s *session) reply(code int, msg string) probes.Reply {
	return parseReply(code, s.tap.Redact(msg))
}

func parseReply(code int, msg string) probes.Reply {
	r := probes.Reply{Code: code}
	var lines []string
	for line := range strings.Lines(msg) {
		line = strings.TrimSpace(line)
		if m := enhancedForm.FindStringSubmatch(line); m != nil && (r.Enhanced == "" || r.Enhanced == m[1]) {
			r.Enhanced = m[1]
			line = line[len(m[0]):]
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	r.Text = probes.Clean(strings.Join(lines, " "))
	return r
}

func enhanced(c [3]int) string { return fmt.Sprintf("%d.%d.%d", c[0], c[1], c[2]) }
