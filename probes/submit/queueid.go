package submit

import "regexp"

// queueForms find the queue id in the text of a final reply, most telling first.
var queueForms = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\bqueued as ([\w./-]{4,64})`),                          // Postfix, SendGrid
	regexp.MustCompile(`\[InternalId=(\d{4,32})`),                                  // Exchange
	regexp.MustCompile(`\bid=([\w.-]{4,64})`),                                      // Exim
	regexp.MustCompile(`(?i)\bwith id ([\w.-]{3,63}\w)`),                           // Stalwart
	regexp.MustCompile(`\b\d{9,10} ([\w.-]{4,64}) - gsmtp`),                        // Gmail
	regexp.MustCompile(`\bReceived OK \[([\w.-]{4,64})\]`),                         // Mimecast
	regexp.MustCompile(`(?i)([\w.-]{4,64}) message accepted for delivery`),         // Sendmail, Proofpoint
	regexp.MustCompile(`(?i)\bqp (\d{2,10})\b`),                                    // qmail
	regexp.MustCompile(`(?i)\bmessage queued \(([\w.-]{4,64})\)`),                  // Haraka
	regexp.MustCompile(`(?i)^ok ([0-9a-f]{16}-[0-9a-f-]{36}-\d{6}|[0-9a-z]{40})$`), // Amazon SES, outward and inward
}

// queueID returns the id under which the server queued the message, for asking
// its operator; empty where the reply (of a Reply's Text) names none.
func queueID(text string) string {
	for _, form := range queueForms {
		if m := form.FindStringSubmatch(text); m != nil {
			return m[1]
		}
	}
	return ""
}
