package submit

import (
	"strings"
	"testing"

	"mailquorum/internal/secret"
	"mailquorum/probes"
)

func TestQueueIDs(t *testing.T) {
	for text, want := range map[string]string{
		"Ok: queued as 4TfQ3b1Bx2z9sWp":                                                "4TfQ3b1Bx2z9sWp",
		"Ok: queued as 8E2C11F5AB":                                                     "8E2C11F5AB",
		"OK id=1rPgUM-000C7s-2X":                                                       "1rPgUM-000C7s-2X",
		"OK id=1rPgUM-00000000C7s-2XYZ":                                                "1rPgUM-00000000C7s-2XYZ",
		"40GA05rT012345 Message accepted for delivery":                                 "40GA05rT012345",
		"3vkqsh1abc-1 Message accepted for delivery":                                   "3vkqsh1abc-1",
		"OK  1705399204 x12-20020a17090a1f8c00b0028c1.12 - gsmtp":                      "x12-20020a17090a1f8c00b0028c1.12",
		"OK DMARC:Quarantine 1705399204 x12-2002.12 - gsmtp":                           "x12-2002.12",
		"Ok 0100018d1234abcd-1234abcd-12ab-34cd-56ef-123456abcdef-000000":              "0100018d1234abcd-1234abcd-12ab-34cd-56ef-123456abcdef-000000",
		"OK 8tq1v0f4o3n7a2b9c6d5e4f3g2h1i0j9k8l7m6n5":                                  "8tq1v0f4o3n7a2b9c6d5e4f3g2h1i0j9k8l7m6n5",
		"SmtpThread-81242-1705399204@uk-mta-1.uk.mimecast.lan Received OK [M4fW.uk27]": "M4fW.uk27",
		"ok 1705399204 qp 12345":                                                       "12345",
		"Message Queued (C9E2A1F0-1234-4B5C-9D8E-001122334455.1)":                      "C9E2A1F0-1234-4B5C-9D8E-001122334455.1",
		"Message queued with id 1a2b3c4d5e.":                                           "1a2b3c4d5e",
		"<a@b> [InternalId=12345678901234, Hostname=AM0PR05MB1234.eurprd05.prod.outlook.com] 9 bytes in 0.1, 2 KB/sec Queued mail for delivery": "12345678901234",
		"OK":                 "",
		"Message received":   "",
		"id=":                "",
		"queued as \x00\x01": "",
	} {
		if got := queueID(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestReplyIsTakenApart(t *testing.T) {
	for _, c := range []struct {
		msg            string
		enhanced, text string
	}{
		{"2.0.0 Ok: queued", "2.0.0", "Ok: queued"},
		{"5.7.9 one\n5.7.9 two", "5.7.9", "one two"},
		{"one\ntwo", "", "one two"},
		{"4.7.500 busy", "4.7.500", "busy"},
		{"2.0.0", "2.0.0", ""},
		{"6.0.0 no such class", "", "6.0.0 no such class"},
		{"10.0.0.1 said no", "", "10.0.0.1 said no"},
		{"2.1.0.5 no code", "", "2.1.0.5 no code"},
		{"5.1.1 one\n5.2.2 two", "5.1.1", "one 5.2.2 two"},
		{"", "", ""},
		{"a\x00b\x7f\xffc", "", `a\x00b\x7f\xffc`},
		{strings.Repeat("x", 1000), "", strings.Repeat("x", probes.MaxServerText)},
	} {
		r := parseReply(250, c.msg)
		if r.Enhanced != c.enhanced || r.Text != c.text || r.Code != 250 {
			t.Errorf("%q: %+v", c.msg, r)
		}
	}
}

// The rules of classify, as a page; the dialogues show them at work.
func TestClassify(t *testing.T) {
	const e, a = probes.StageEnvelope, probes.StageAuth
	for _, c := range []struct {
		stage probes.Stage
		reply string
		want  probes.Outcome
	}{
		{e, "450 4.3.2 system not accepting messages", probes.Failed},
		{e, "451 4.4.1 no answer from host", probes.Failed},
		{e, "450 4.2.0 mailbox locked", probes.Failed},
		{e, "451 local error", probes.Failed},
		{e, "421 service not available", probes.Failed},
		{e, "451 4.7.1 try again", probes.Throttled},
		{e, "421 too many connections", probes.Throttled},
		{e, "451 4.7.650 The mail server has been temporarily rate limited", probes.Throttled},
		{e, "421 4.7.28 unusual rate of mail", probes.Throttled},
		{e, "450 greylisted", probes.Throttled},
		{e, "452 4.5.3 too many recipients", probes.Throttled},
		{e, "452 4.2.2 full", probes.Policy},
		{e, "552 5.2.2 full", probes.Policy},
		{e, "552 mailbox full", probes.Policy},
		{e, "550 5.7.1 no", probes.Policy},
		{e, "550 5.7.26 unauthenticated mail", probes.Policy},
		{e, "554 blocked, see zen.example", probes.Policy},
		{e, "550 Administrative prohibition", probes.Policy},
		{e, "554 Email rejected due to security policies", probes.Policy},
		{e, "550 relay not permitted", probes.Policy},
		{e, "550 5.1.1 user blocked by spam policy", probes.Failed}, // the code knows better than the words
		{e, "550 5.1.1 does not exist", probes.Failed},
		{e, "550 5.0.0 something", probes.Failed},
		{e, "554 transaction failed", probes.Failed},
		{e, "503 bad sequence", probes.Failed},
		{e, "552 5.3.4 message too big", probes.Failed},
		{a, "535 5.7.8 no", probes.AuthFailed},
		{a, "535 no", probes.AuthFailed},
		{a, "534 5.7.9 too weak", probes.AuthFailed},
		{a, "454 4.7.0 temporary", probes.AuthFailed},
		{a, "454 temporary", probes.AuthFailed},
		{a, "538 5.7.11 encryption required", probes.AuthFailed},
		{a, "504 5.5.4 unrecognized type", probes.AuthFailed},
		{a, "550 5.7.1 blocked", probes.AuthFailed},
		{a, "421 4.7.0 later", probes.Throttled},
		{a, "454 4.7.0 too many login attempts", probes.Throttled},
		{a, "421 4.3.0 internal", probes.Failed},
		{a, "554 5.3.0 internal", probes.Failed},
		{a, "451 local error", probes.Failed},
		{e, "354 go on", probes.Unknown},
		{e, "250 ok", probes.Unknown},
		{e, "999 what", probes.Unknown},
	} {
		code := int(c.reply[0]-'0')*100 + int(c.reply[1]-'0')*10 + int(c.reply[2]-'0')
		got, temporary := classify(c.stage, parseReply(code, c.reply[4:]))
		if got != c.want {
			t.Errorf("%v %s: got %v, want %v", c.stage, c.reply, got, c.want)
		}
		if code/100 == 4 && !temporary {
			t.Errorf("%v %s: not temporary", c.stage, c.reply)
		}
	}
}

func TestSecretsAreStruckOutInEveryForm(t *testing.T) {
	s := newSession(Config{Username: "u", Password: secret.New("p w")}, secret.Secret{}, nil)
	for in, want := range map[string]string{
		"is p w right?": "is <secret> right?",
		"AHUAcCB3 no":   "<secret> no",
		"cCB3 no":       "<secret> no",
		"nothing":       "nothing",
	} {
		if got := s.tap.Redact(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
	long := strings.Repeat("x", probes.MaxServerText-2) + "p w"
	if got := s.reply(550, long).Text; strings.Contains(got, "p") {
		t.Errorf("a secret at the cut: %q", got)
	}
}
