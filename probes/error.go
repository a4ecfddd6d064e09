package probes

import (
	"errors"
	"fmt"
	"strings"
)

// MaxServerText bounds, in bytes, what is kept of any text that a server sent.
const MaxServerText = 256

// Reply is what an SMTP server answered.
type Reply struct {
	Code     int    `json:"code,omitempty"`     // basic code, RFC 5321 section 4.2; 0: none
	Enhanced string `json:"enhanced,omitempty"` // "4.7.1", RFC 3463; empty: none
	Text     string `json:"text,omitempty"`     // sanitised by Clean, at most MaxServerText bytes
}

// String is the reply on one line, e.g. "451 4.7.1 try again later".
func (r Reply) String() string {
	if r.Code == 0 {
		return ""
	}
	parts := []string{fmt.Sprint(r.Code)}
	if r.Enhanced != "" {
		parts = append(parts, r.Enhanced)
	}
	if r.Text != "" {
		parts = append(parts, r.Text)
	}
	return strings.Join(parts, " ")
}

// Error says where in the dialogue something failed, what that makes of the
// canary, and whether trying again can help. The packages submit and collect
// translate every error of their libraries into one, once, at their boundary.
type Error struct {
	Stage     Stage
	Outcome   Outcome // Failed, AuthFailed, Throttled, Policy, Ambiguous or Unknown
	Temporary bool    // trying again later can help; true when in doubt
	Reply     Reply   // the server's words, if it spoke
	Hint      string  // what the user can do about it; may be empty
	Err       error   // never holds a secret
}

// Error is the failure on one line.
func (e *Error) Error() string {
	msg := "unknown failure"
	switch {
	case e.Err != nil:
		msg = e.Err.Error()
	case e.Reply.Code != 0:
		msg = e.Reply.String()
	}
	return e.Stage.String() + ": " + msg
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// AsError returns the *Error in err's chain, or wraps err as an Unknown one of
// the given stage: what cannot be classified is never evidence.
func AsError(stage Stage, err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Stage: stage, Outcome: Unknown, Temporary: true, Err: err}
}

// Clean makes text from outside safe to keep, log and show: at most
// MaxServerText bytes of printable ASCII, everything else written as \xNN.
func Clean(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		w := 1
		if c < 0x20 || c > 0x7e {
			w = 4
		}
		if b.Len()+w > MaxServerText {
			break
		}
		if w == 1 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String()
}
