package probes

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestTranscriptKeepsBothEnds(t *testing.T) {
	var tr Transcript
	for i := range 500 {
		tr.Add(time.Duration(i)*time.Millisecond, Server, fmt.Sprintf("line %d %s", i, strings.Repeat("x", 500)))
	}
	if len(tr.Lines) != transcriptHead+transcriptTail || tr.Omitted != 500-len(tr.Lines) {
		t.Errorf("%d lines, %d left out", len(tr.Lines), tr.Omitted)
	}
	if first, last := tr.Lines[transcriptHead-1].Text, tr.Lines[transcriptHead].Text; !strings.HasPrefix(first, "line 59 ") || !strings.HasPrefix(last, "line 440 ") {
		t.Errorf("cut between %.10q and %.10q", first, last)
	}
	if !strings.Contains(tr.String(), "(380 lines left out)") {
		t.Error("the page does not say what is left out")
	}
	b, err := json.Marshal(tr)
	var back Transcript
	if err == nil {
		err = json.Unmarshal(b, &back)
	}
	if diff := cmp.Diff(tr, back); err != nil || diff != "" {
		t.Errorf("through JSON: %v\n%s", err, diff)
	}
	if len(b) > 64<<10 {
		t.Errorf("%d bytes", len(b))
	}
}

func TestTranscriptAsAPage(t *testing.T) {
	var tr Transcript
	tr.Add(0, Note, "connected")
	tr.Add(31*time.Millisecond, Server, "220 hi\x00")
	tr.Add(1500*time.Millisecond, Client, "EHLO x")
	want := "     0  -  connected\n    31  S  220 hi\\x00\n  1500  C  EHLO x\n"
	if got := tr.String(); got != want {
		t.Errorf("got\n%s", got)
	}
}

// Whatever the secret and the text around it: none of its forms is left.
func TestNoFormOfASecretIsLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringOfN(rapid.RuneFrom([]rune(`abcXYZ019 "\%+/=é`)), 6, 60, -1).Draw(t, "secret")
		around := rapid.StringMatching(`[^abcXYZ]{0,20}`)
		b64 := base64.StdEncoding.EncodeToString([]byte(secret))
		forms := []string{secret, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(secret), b64, strings.TrimRight(b64, "="), url.QueryEscape(secret)}
		text := around.Draw(t, "before")
		for _, f := range forms {
			text += f + around.Draw(t, "after")
		}
		got := NewRedactor(secret).Redact(text)
		for _, f := range forms {
			if strings.Contains(got, f) && !strings.Contains(struckOut, f) {
				t.Fatalf("%q is left in %q", f, got)
			}
		}
	})
}

func TestRedactorMeetsCutTokens(t *testing.T) {
	token := "ya29." + strings.Repeat("abcDEF123", 30)
	r := NewRedactor("pw", token, "")
	for in, want := range map[string]string{
		"Bearer " + token + " is bad": "Bearer <secret> is bad",
		"Bearer " + token[:100]:       "Bearer <secret>",
		"a pw and pw":                 "a <secret> and <secret>",
		"nothing":                     "nothing",
		"'" + token[:40] + "' twice " + token[:40]: "'<secret>' twice <secret>",
	} {
		if got := r.Redact(in); got != want {
			t.Errorf("%.40q...: %q", in, got)
		}
	}
	if got := (Redactor{}).Redact("as it is"); got != "as it is" {
		t.Errorf("the zero value: %q", got)
	}
}
