package submit

import (
	"errors"
	"strings"

	"mailquorum/probes"
)

// Greylisted reports whether a server put the recipient off as it does with
// senders whom it does not know yet (RFC 6647): an MTA would try again after a
// while, and be accepted. Limits of rate and connections are no greylisting,
// though servers say 4.7.x to them too.
func Greylisted(err error) bool {
	var e *probes.Error
	if !errors.As(err, &e) || e.Stage != probes.StageEnvelope || e.Outcome != probes.Throttled || e.Reply.Code/100 != 4 {
		return false
	}
	text := strings.ToLower(e.Reply.Text)
	for _, word := range greyWords {
		if strings.Contains(text, word) {
			return true
		}
	}
	return e.Reply.Enhanced == "4.7.1" && !says(text, throttleWords)
}

var greyWords = []string{"greylist", "graylist", "grey listed", "gray listed", "grey-list", "gray-list"}
