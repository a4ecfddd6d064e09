package guard

import "fmt"

// Budget is what a server may send in one step of the dialogue, in bytes on the
// wire, TLS included.
type Budget uint8

// The budgets. Each is several times what a talkative, honest server sends.
const (
	// Handshake is a TLS handshake together with the greeting that follows it, or
	// precedes it with STARTTLS. crypto/tls takes certificate messages of up to
	// 256 KiB.
	Handshake Budget = iota + 1
	// SMTPReply is one reply (RFC 5321 section 4.5.3.1.5: 512 bytes a line; EHLO has
	// some twenty lines).
	SMTPReply
	// IMAPReply is the answer to a command that fetches no mail, and whatever the
	// server says unasked meanwhile: with ten thousand mails arriving together that
	// is a line of some 40 bytes (TLS included) for each.
	IMAPReply
	// IMAPIdle is one stay in IDLE.
	IMAPIdle
	// IMAPFetch is the answer to one FETCH: twice what 64 mails with a header of
	// 64 KiB come to. Ask for bounded parts of a bounded number of mails, or
	// whoever can send mail can exceed it.
	IMAPFetch
)

// Limits of what an IMAP server says, in bytes.
const (
	// MaxLine bounds a response outside its literals. The longest honest ones are
	// lists of flags and capabilities of some 2 KiB.
	MaxLine = 64 << 10
	// MaxLiteral bounds a literal: a mail's header, or the part of a
	// non-delivery report that is of interest.
	MaxLiteral = 1 << 20
)

var budgets = [...]struct {
	name  string
	bytes int64
}{
	0:         {"none", 0},
	Handshake: {"handshake", 512 << 10},
	SMTPReply: {"SMTP reply", 64 << 10},
	IMAPReply: {"IMAP reply", 1 << 20},
	IMAPIdle:  {"IMAP idle", 1 << 20},
	IMAPFetch: {"IMAP fetch", 8 << 20},
}

// Bytes is the budget's size.
func (b Budget) Bytes() int64 {
	if int(b) < len(budgets) {
		return budgets[b].bytes
	}
	return 0
}

// String is the budget's name, as errors show it.
func (b Budget) String() string {
	if int(b) < len(budgets) {
		return budgets[b].name
	}
	return fmt.Sprintf("budget(%d)", uint8(b))
}
