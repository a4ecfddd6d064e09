package probes

import (
	"fmt"
	"strings"
	"time"
)

// tagField is the header field that names the canary.
const tagField = "X-Mailquorum-Canary"

// Letter is the mail that a canary travels in. The same letter always gives the
// same bytes, so that what comes back can be compared with what was sent.
type Letter struct {
	Canary  Canary    // ID varies the wording; Trace becomes the traceparent field
	Tag     string    // Key.Tag of the canary's ID
	From    string    // address: see ValidAddress
	To      string    // address
	Cluster string    // name of the monitor, for the reader: see Validate
	Region  string    // where it was sent, for the reader
	Domain  string    // right side of the Message-ID; empty: the domain of From
	Date    time.Time // of the Date field, whole seconds; zero: Canary.Sent
}

// Validate reports what keeps the letter from being written. Names and
// addresses may hold a small alphabet only: nothing that a configuration says
// can add a header field.
func (l Letter) Validate() error {
	switch {
	case !tagAlone(l.Tag):
		return fmt.Errorf("letter: the tag has not the form of a tag")
	case !ValidAddress(l.From):
		return fmt.Errorf("letter: from: %q is no plain address", Clean(l.From))
	case !ValidAddress(l.To):
		return fmt.Errorf("letter: to: %q is no plain address", Clean(l.To))
	case !ValidHost(l.domain()):
		return fmt.Errorf("letter: domain: %q is no domain", Clean(l.Domain))
	case !plainName(l.Cluster):
		return fmt.Errorf("letter: cluster: %q: want 1 to 64 of a-z, A-Z, 0-9, '.', '-' and '_'", Clean(l.Cluster))
	case !plainName(l.Region):
		return fmt.Errorf("letter: region: %q: want 1 to 64 of a-z, A-Z, 0-9, '.', '-' and '_'", Clean(l.Region))
	case l.Canary.Trace != "" && !validTrace(l.Canary.Trace):
		return fmt.Errorf("letter: %q is no traceparent", Clean(l.Canary.Trace))
	}
	return nil
}

// Bytes returns the message with CRLF line ends, all ASCII, no line longer than
// 998 characters: header per RFC 5322, marked as automatic per RFC 3834 (no
// Precedence field: filters dislike it, and RFC 3834 does not ask for it). It
// returns nil when Validate has an objection; nobody sends an empty message.
func (l Letter) Bytes() []byte {
	if l.Validate() != nil {
		return nil
	}
	var b strings.Builder
	for _, f := range l.fields() {
		fmt.Fprintf(&b, "%s: %s\r\n", f[0], f[1])
	}
	b.WriteString("\r\n")
	b.WriteString(l.body())
	return []byte(b.String())
}

// fields is the header in order.
func (l Letter) fields() [][2]string {
	f := [][2]string{
		{"Date", l.date().Format("Mon, 02 Jan 2006 15:04:05 -0700")},
		{"From", "mailquorum <" + l.From + ">"},
		{"To", "<" + l.To + ">"},
		{"Subject", l.subject()},
		{"Message-ID", "<" + l.Tag + "@" + l.domain() + ">"},
		{"Auto-Submitted", "auto-generated"},
		{"X-Auto-Response-Suppress", "All"}, // Exchange answers Auto-Submitted mail all the same
		{tagField, l.Tag},
	}
	if l.Canary.Trace != "" {
		f = append(f, [2]string{"traceparent", l.Canary.Trace})
	}
	return append(f,
		[2]string{"MIME-Version", "1.0"},
		[2]string{"Content-Type", "text/plain; charset=us-ascii"},
		[2]string{"Content-Transfer-Encoding", "7bit"})
}

func (l Letter) domain() string {
	if l.Domain == "" {
		_, d, _ := strings.Cut(l.From, "@")
		return d
	}
	return l.Domain
}

func (l Letter) date() time.Time {
	if l.Date.IsZero() {
		return l.Canary.Sent.UTC()
	}
	return l.Date.UTC()
}

// Identical mails in a steady stream are what bulk and duplicate filters look
// for: subject and text vary with the canary's ID.
var (
	subjects = [...]string{"Mail-flow check", "Mail route test", "Delivery test", "Canary mail", "Mail transit check", "Routine mail test"}
	openings = [...]string{"This is an automatic test message.", "A monitor sent this message.", "This message is a delivery test.",
		"Nobody wrote this message: it is a test of the mail route."}
	purposes = [...]string{"It measures how long mail takes on this route.", "It shows whether mail arrives here, and how quickly.",
		"Its arrival tells the monitor that this route works.", "It travels this route so that an outage is noticed early."}
	closings = [...]string{"If you found it, you may delete it; no answer is needed.", "You can delete it and need not answer.",
		"Please ignore it: deleting it does no harm, and nobody reads answers."}
)

func (l Letter) subject() string {
	return fmt.Sprintf("%s from %s, %s UTC", pick(subjects[:], l.Canary.ID[0]), l.Region, l.date().Format("2006-01-02 15:04:05"))
}

func (l Letter) body() string {
	id := l.Canary.ID
	return strings.Join([]string{
		pick(openings[:], id[1]),
		pick(purposes[:], id[2]),
		pick(closings[:], id[3]),
		"",
		"Monitor: mailquorum, " + l.Cluster,
		"Sent from: " + l.Region,
		"Canary: " + l.Tag,
		"",
	}, "\r\n")
}

func pick(list []string, b byte) string { return list[int(b)%len(list)] }

// Altered returns the names of the letter's fields that are missing from header
// (of the received mail) or differ there, in the letter's order; nil when all
// came through. White space does not count, fields added on the way neither.
func (l Letter) Altered(header []byte) []string {
	got := map[string][]string{}
	eachField(header, func(name, value string) bool {
		n := strings.ToLower(name)
		got[n] = append(got[n], squeeze(value))
		return true
	})
	var names []string
	for _, f := range l.fields() {
		if !contains(got[strings.ToLower(f[0])], squeeze(f[1])) {
			names = append(names, f[0])
		}
	}
	return names
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// tagAlone reports whether s has the form of a tag and nothing else.
func tagAlone(s string) bool {
	return len(s) == tagLen && strings.HasPrefix(s, tagPrefix+"-") && tagShaped(s)
}

// validTrace reports whether s is a W3C traceparent of version 00.
func validTrace(s string) bool {
	if len(s) != 55 || s[:3] != "00-" || s[35] != '-' || s[52] != '-' {
		return false
	}
	for _, part := range []string{s[3:35], s[36:52], s[53:]} {
		if strings.Trim(part, "0123456789abcdef") != "" {
			return false
		}
	}
	return true
}
