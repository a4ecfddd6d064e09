package probes

import "strings"

// LooksLikeCanary reports whether a mail whose header names no tag may be a
// canary all the same: it says to be from a mailquorum and answers nothing. Some
// gateways replace the Message-ID and drop fields that they do not know; the text
// of the mail names the tag once more. Answers quote that text and are no
// canaries.
func LooksLikeCanary(header []byte) bool {
	from, answer := false, false
	eachField(header, func(name, value string) bool {
		switch strings.ToLower(name) {
		case "from":
			from = from || strings.HasPrefix(strings.TrimLeft(strings.ToLower(value), ` "`), "mailquorum")
		case "in-reply-to", "references":
			answer = true
		case "auto-submitted":
			answer = answer || !strings.EqualFold(value, "auto-generated")
		case "subject":
			low := strings.ToLower(value)
			answer = answer || strings.HasPrefix(low, "re:") || strings.HasPrefix(low, "fwd:") || strings.HasPrefix(low, "fw:")
		}
		return !answer
	})
	return from && !answer
}

// TagsInBody returns what looks like the tag of a canary in the text of a mail
// of which LooksLikeCanary is true, at most 8, from header and body together.
func TagsInBody(mail []byte) []string {
	return FindTags(string(mail[:min(len(mail), MaxDSN)]), maxTags)
}
