package guard

import (
	"errors"
	"fmt"
	"os"
)

// What can trip a guard, for errors.Is.
var (
	ErrBytes    = errors.New("server sent more than the budget")
	ErrDeadline = errors.New("deadline passed") // is also an os.ErrDeadlineExceeded
	ErrLine     = errors.New("line too long")
	ErrLiteral  = errors.New("literal too long")
	ErrResponse = errors.New("malformed response")
	ErrContext  = errors.New("given up") // the cause of the context's end is in the chain too
)

// Error is why a guard tripped.
type Error struct {
	Kind   error  // one of the above
	Budget Budget // in force at that time
	Detail string // may be empty; never holds the server's words
	Cause  error  // of ErrContext
}

// Error says which limit was exceeded.
func (e *Error) Error() string {
	msg := "guard: " + e.Budget.String() + ": " + e.Kind.Error()
	switch {
	case e.Cause != nil:
		msg += ": " + e.Cause.Error()
	case e.Kind == ErrBytes:
		msg += fmt.Sprintf(" of %d bytes", e.Budget.Bytes())
	case e.Detail != "":
		msg += ": " + e.Detail
	}
	return msg
}

// Unwrap lists the kind, the cause, and os.ErrDeadlineExceeded where it is one.
func (e *Error) Unwrap() []error {
	errs := []error{e.Kind}
	if e.Cause != nil {
		errs = append(errs, e.Cause)
	}
	if e.Kind == ErrDeadline {
		errs = append(errs, os.ErrDeadlineExceeded)
	}
	return errs
}

// Timeout makes a passed deadline a time-out in the sense of net.Error.
func (e *Error) Timeout() bool { return e.Kind == ErrDeadline }

// Temporary is false: a tripped guard stays tripped.
func (e *Error) Temporary() bool { return false }
