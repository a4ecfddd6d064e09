package submit

import (
	"strings"

	"mailquorum/probes"
)

// Words by which servers say what their codes do not. Many give no enhanced code,
// and greylisting comes with 4.2.0 and with 4.7.1 alike.
var (
	throttleWords = []string{"too many", "greylist", "graylist", "grey listed", "gray listed", "rate limit", "ratelimit", "throttl",
		"sending limit", "sending quota", "sending rate", "message rate", "server busy"}
	policyWords = []string{"blocked", "blacklist", "blocklist", "block list", "black list", "denylist", "reputation", "spam", "spoof",
		"spf", "dkim", "dmarc", "policy", "policies", "prohibit", "relay", "not permitted", "not allowed", "authentication required"}
	fullWords = []string{"mailbox full", "mailbox is full", "over quota", "quota exceeded", "exceeded storage", "out of storage"}
)

// classify says what a reply that refuses makes of the canary, and whether
// trying again can help (docs/design.md section 4).
func classify(stage probes.Stage, r probes.Reply) (o probes.Outcome, temporary bool) {
	class := r.Code / 100
	if class != 4 && class != 5 {
		return probes.Unknown, true // out of step: our parser or theirs
	}
	temporary = class == 4
	subject, detail, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(r.Enhanced, "4."), "5."), ".")
	silent := r.Enhanced == "" || subject == "0" // the code says nothing
	text := strings.ToLower(r.Text)
	switch {
	case says(text, throttleWords):
		return probes.Throttled, true
	case stage == probes.StageAuth && refusesLogin(r, subject):
		return probes.AuthFailed, temporary
	case subject == "2" && detail == "2", says(text, fullWords):
		return probes.Policy, true // the canary's mailbox is full: ours to empty
	case temporary && subject == "7":
		return probes.Throttled, true
	case subject == "7", !temporary && silent && says(text, policyWords):
		return probes.Policy, temporary
	}
	return probes.Failed, temporary
}

// refusesLogin reports whether a reply to AUTH is about the credentials or the
// mechanism (RFC 4954 section 6), and not about the state of the server.
func refusesLogin(r probes.Reply, subject string) bool {
	switch r.Code {
	case 432, 454, 534, 535, 538:
		return true
	}
	return r.Code/100 == 5 && subject != "3" && subject != "4"
}

func says(text string, words []string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}
