// Package secret holds what must never be printed: passwords, tokens, keys of
// paging services. A Secret formats, marshals and logs as "<secret>".
package secret

import "log/slog"

const hidden = "<secret>"

// Secret is a value that only Reveal gives away. It is behind a pointer because
// fmt calls no method of ours when a verb does not fit (%!s(...)), and would
// print the value; of a pointer within a struct it prints the address. So two
// Secrets must not be compared with ==.
type Secret struct{ value *string }

// New wraps a value.
func New(value string) Secret { return Secret{&value} }

// Reveal returns the value: call it where it goes on the wire and nowhere else.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Empty reports whether there is no value.
func (s Secret) Empty() bool { return s.Reveal() == "" }

// String hides the value.
func (Secret) String() string { return hidden }

// GoString hides the value.
func (Secret) GoString() string { return hidden }

// MarshalText hides the value.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue hides the value.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }
