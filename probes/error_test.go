package probes

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestErrorSaysWhereAndWhat(t *testing.T) {
	for want, e := range map[string]*Error{
		"tls: unknown failure":                  {Stage: StageTLS},
		"connect: EOF":                          {Stage: StageConnect, Err: io.EOF},
		"envelope: 451 4.7.1 later":             {Stage: StageEnvelope, Reply: Reply{451, "4.7.1", "later"}},
		"auth: logging in: EOF":                 {Stage: StageAuth, Reply: Reply{Code: 535}, Err: fmt.Errorf("logging in: %w", io.EOF)},
		"none: submitting: the message is lost": {Err: errors.New("submitting: the message is lost")},
	} {
		if e.Error() != want {
			t.Errorf("got %q, want %q", e.Error(), want)
		}
	}
}

func TestAsError(t *testing.T) {
	if AsError(StageTLS, nil) != nil {
		t.Error("no error became one")
	}
	e := &Error{Stage: StageData, Outcome: Failed, Err: io.EOF}
	if AsError(StageTLS, fmt.Errorf("wrapped: %w", e)) != e {
		t.Error("an *Error in the chain is not found")
	}
	got := AsError(StageRetrieve, io.EOF)
	if got.Stage != StageRetrieve || got.Outcome != Unknown || !got.Temporary || !errors.Is(got, io.EOF) {
		t.Errorf("what cannot be classified is no evidence: %+v", got)
	}
}

func TestReplyOnOneLine(t *testing.T) {
	for want, r := range map[string]Reply{
		"": {Text: "no code, no reply"}, "250": {Code: 250}, "250 ok": {Code: 250, Text: "ok"}, "250 2.0.0": {Code: 250, Enhanced: "2.0.0"},
	} {
		if r.String() != want {
			t.Errorf("%+v: %q", r, r.String())
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("plain")
	f.Add("\r\n\x00\xff é")
	f.Add(strings.Repeat("\x01", 1000))
	f.Fuzz(func(t *testing.T, s string) {
		c := Clean(s)
		if len(c) > MaxServerText {
			t.Fatalf("%d bytes", len(c))
		}
		for i := range len(c) {
			if c[i] < 0x20 || c[i] > 0x7e {
				t.Fatalf("byte %#x in %q", c[i], c)
			}
		}
		if Clean(c) != c {
			t.Fatalf("cleaning %q twice gives %q", c, Clean(c))
		}
	})
}
