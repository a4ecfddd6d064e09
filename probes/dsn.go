package probes

import (
	"bytes"
	"strings"
)

// MaxDSN is how much of a non-delivery report ReadDSN looks at, in bytes. The
// machine-readable part comes before the returned mail, and is small.
const MaxDSN = 128 << 10

// maxDSNParts bounds the parts of a report that are looked at: it has three
// (RFC 6522 section 3).
const maxDSNParts = 8

// DSN is what a delivery status notification says (RFC 3464). It is a stranger's
// word: only the tags connect it with a canary of ours, if Key.Verify says so.
type DSN struct {
	Tags      []string // candidates for the canary that it is about, at most 8
	Action    string   // failed, delayed, delivered, relayed or expanded; empty: not said
	Status    string   // RFC 3463, "5.1.1"; empty: not said
	Reply     Reply    // of the server that refused the mail, from Diagnostic-Code
	Recipient string   // Final-Recipient
	Reporter  string   // Reporting-MTA
	Remote    string   // Remote-MTA
}

// Failed reports whether the report says that the mail was not and will not be
// delivered. A delay, a relay to a system without such reports, and a success
// are no bounce.
func (d DSN) Failed() bool { return d.Action == "failed" }

// LooksLikeDSN reports whether a mail with this header may be a non-delivery
// report, so that its body is worth reading.
func LooksLikeDSN(header []byte) bool {
	yes := false
	eachField(header, func(name, value string) bool {
		switch strings.ToLower(name) {
		case "content-type":
			typ, params := contentType(value)
			yes = yes || typ == "multipart/report" && reportOfDelivery(params)
		case "x-failed-recipients":
			yes = true
		case "from":
			yes = yes || fromMailer(value)
		}
		return !yes
	})
	return yes
}

// fromMailer reports whether a From field names those who send bounces.
func fromMailer(value string) bool {
	low := strings.ToLower(value)
	return strings.Contains(low, "mailer-daemon") || strings.Contains(low, "postmaster@") || strings.Contains(low, "mail delivery s")
}

func reportOfDelivery(params map[string]string) bool {
	t := strings.ToLower(params["report-type"])
	return t == "" || t == "delivery-status"
}

// ReadDSN reads a non-delivery report from the beginning of a mail, header and
// body, of which it looks at MaxDSN bytes. It finds the canary by Message-ID or
// tag in the returned mail or its header, by ENVID (Original-Envelope-Id, RFC
// 3464 section 2.2.1), by the recipient of the report (VERP), and by In-Reply-To
// and References. Reports in prose (qmail, old Exim) are read too: those are
// failures unless they speak of a delay. It returns false for any other mail.
//
// No MIME tree is built: the parts are found by the outer boundary alone, in
// time linear in the size, and encodings are left as they are.
func ReadDSN(mail []byte) (DSN, bool) {
	mail = mail[:min(len(mail), MaxDSN)]
	if !LooksLikeDSN(mail) {
		return DSN{}, false
	}
	var d DSN
	d.addTags(ReferredTags(mail))
	var boundary string
	eachField(mail, func(name, value string) bool {
		if strings.EqualFold(name, "Content-Type") {
			if typ, params := contentType(value); typ == "multipart/report" {
				boundary = params["boundary"]
			}
		}
		return boundary == ""
	})
	_, body := cutHeader(mail)
	if boundary == "" || !d.readParts(body, boundary) {
		d.readProse(mail, body)
	}
	return d, d.Action != "" || len(d.Tags) > 0
}

// readParts reads the parts of a multipart/report. It reports whether there was a
// machine-readable one.
func (d *DSN) readParts(body []byte, boundary string) (found bool) {
	for _, part := range cutParts(body, boundary) {
		header, content := cutHeader(part)
		typ := "text/plain"
		eachField(header, func(name, value string) bool {
			if strings.EqualFold(name, "Content-Type") {
				typ, _ = contentType(value)
			}
			return true
		})
		switch typ {
		case "message/delivery-status", "message/global-delivery-status":
			d.readStatus(content)
			found = true
		case "message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers":
			d.addTags(TagsIn(content))
		}
	}
	return found
}

// readStatus reads the fields about the mail and those about each recipient,
// blocks that empty lines separate (RFC 3464 section 2.1). A canary has one
// recipient; of several, one that failed counts.
func (d *DSN) readStatus(content []byte) {
	for len(content) > 0 {
		block, rest := cutHeader(content)
		content = rest
		var r DSN
		eachField(block, func(name, value string) bool {
			switch strings.ToLower(name) {
			case "original-envelope-id":
				d.addTags(FindTags(unxtext(value), maxTags))
			case "reporting-mta":
				d.Reporter = typed(value)
			case "action":
				r.Action = action(value)
			case "status":
				r.Status = enhanced(value)
			case "final-recipient":
				r.Recipient = typed(value)
			case "remote-mta":
				r.Remote = typed(value)
			case "diagnostic-code":
				r.Reply = diagnostic(typed(value))
			}
			return true
		})
		if r.Action == "" && strings.HasPrefix(r.Status, "5.") {
			r.Action = "failed"
		}
		if r.Action != "" && !d.Failed() {
			d.Action, d.Status, d.Recipient, d.Remote, d.Reply = r.Action, r.Status, r.Recipient, r.Remote, r.Reply
		}
	}
}

// proseMax bounds how much of a report in prose is read.
const proseMax = 32 << 10

// readProse reads a report that only a person can read: whose mail it was, and
// whether it is a warning.
func (d *DSN) readProse(mail, body []byte) {
	text := string(body[:min(len(body), proseMax)])
	d.addTags(FindTags(text, maxTags))
	if len(d.Tags) == 0 {
		return
	}
	d.Action = "failed"
	eachField(mail, func(name, value string) bool {
		if strings.EqualFold(name, "Subject") {
			text = value + "\n" + text
		}
		return true
	})
	low := strings.ToLower(text)
	for _, w := range []string{"delayed", "will be retried", "will continue to try", "will keep trying", "do not need to resend", "not yet been delivered"} {
		if strings.Contains(low, w) {
			d.Action = "delayed"
		}
	}
	for line := range strings.Lines(text) {
		if r := diagnostic(findReply(line)); r.Code != 0 {
			d.Reply, d.Status = r, r.Enhanced
			break
		}
	}
}

func (d *DSN) addTags(tags []string) {
	for _, t := range tags {
		if len(d.Tags) < maxTags && !contains(d.Tags, t) {
			d.Tags = append(d.Tags, t)
		}
	}
}

// cutHeader splits at the first empty line, which it drops.
func cutHeader(b []byte) (header, rest []byte) {
	for at := 0; at < len(b); {
		end := bytes.IndexByte(b[at:], '\n')
		if end < 0 {
			break
		}
		if len(bytes.TrimRight(b[at:at+end], "\r")) == 0 {
			return b[:at], b[at+end+1:]
		}
		at += end + 1
	}
	return b, nil
}

// cutParts returns what stands between lines that begin with the boundary (RFC
// 2046 section 5.1.1), at most maxDSNParts.
func cutParts(body []byte, boundary string) (parts [][]byte) {
	mark := []byte("--" + boundary)
	begin := -1
	for at := 0; at < len(body) && len(parts) < maxDSNParts; {
		end := len(body)
		if i := bytes.IndexByte(body[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		if line := body[at:end]; bytes.HasPrefix(line, mark) {
			if begin >= 0 {
				parts = append(parts, body[begin:at])
			}
			begin = end
			if bytes.HasPrefix(line[len(mark):], []byte("--")) {
				return parts
			}
		}
		at = end
	}
	if begin >= 0 && len(parts) < maxDSNParts {
		parts = append(parts, body[begin:])
	}
	return parts
}
