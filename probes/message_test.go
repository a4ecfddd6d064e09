package probes

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var testKey = NewKey([]byte("0123456789abcdef0123456789abcdef"))

func testLetter() Letter {
	id := ID{1, 2, 3, 4, 5}
	return Letter{
		Canary: Canary{ID: id, Trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		Tag:    testKey.Tag(id), From: "canary@eu.example", To: "inbox+a=b@provider.example",
		Cluster: "prod", Region: "eu-west", Domain: "canary.eu.example",
		Date: time.Date(2026, 11, 22, 9, 5, 1, 0, time.FixedZone("CET", 3600)),
	}
}

func TestLetterAsWritten(t *testing.T) {
	want := `Date: Sun, 22 Nov 2026 08:05:01 +0000
From: mailquorum <canary@eu.example>
To: <inbox+a=b@provider.example>
Subject: Mail route test from eu-west, 2026-11-22 08:05:01 UTC
Message-ID: <TAG@canary.eu.example>
Auto-Submitted: auto-generated
X-Auto-Response-Suppress: All
X-Mailquorum-Canary: TAG
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii
Content-Transfer-Encoding: 7bit

This message is a delivery test.
It travels this route so that an outage is noticed early.
You can delete it and need not answer.

Monitor: mailquorum, prod
Sent from: eu-west
Canary: TAG
`
	l := testLetter()
	want = strings.ReplaceAll(strings.ReplaceAll(want, "TAG", l.Tag), "\n", "\r\n")
	if diff := cmp.Diff(want, string(l.Bytes())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	l.Domain = ""
	if raw := l.Bytes(); !bytes.Contains(raw, []byte("Message-ID: <"+l.Tag+"@eu.example>")) {
		t.Errorf("without a Domain the Message-ID is not of the sender's domain:\n%s", raw)
	}
	l = testLetter()
	l.Date, l.Canary.Sent = time.Time{}, l.Date
	if string(l.Bytes()) != want {
		t.Error("without a Date the letter is not dated when it was sent")
	}
}

// Whatever the names hold: either there is no message, or the message parses to
// exactly the fields of a canary, with the values put in.
func TestWhatIsBuiltParsesToExactlyItsFields(t *testing.T) {
	plain := rapid.StringMatching(`[a-z0-9]{1,9}(\.[a-z]{2,9}){0,3}`)
	plainAddress := rapid.StringMatching(`[a-z0-9_+=-]{1,30}@([a-z0-9]{1,9}\.){0,3}[a-z]{2,9}`)
	wild := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z]{1,5}[\r\n\x00 <>,:;"\\@.()é]{0,3}[a-zA-Z:. ]{0,9}`))
	built := 0
	rapid.Check(t, func(t *rapid.T) {
		// One field of the letter at most is wild, so that its fault alone is what is refused.
		odd := rapid.SampledFrom([]string{"", "from", "to", "cluster", "region", "domain", "trace"}).Draw(t, "odd")
		draw := func(field string, tame *rapid.Generator[string]) string {
			if field == odd {
				return wild.Draw(t, field)
			}
			return tame.Draw(t, field)
		}
		id := ID(rapid.SliceOfN(rapid.Byte(), IDSize, IDSize).Draw(t, "id"))
		l := Letter{
			Canary: Canary{ID: id}, Tag: testKey.Tag(id),
			From: draw("from", plainAddress), To: draw("to", plainAddress),
			Cluster: draw("cluster", plain), Region: draw("region", plain), Domain: draw("domain", plain),
			Date: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "date"), 0),
		}
		if rapid.Bool().Draw(t, "traced") {
			l.Canary.Trace = draw("trace", rapid.StringMatching(`00-[0-9a-f]{32}-[0-9a-f]{16}-01`))
		}
		raw := l.Bytes()
		if err := l.Validate(); err != nil {
			if raw != nil {
				t.Fatalf("built although %v", err)
			}
			return
		}
		built++
		m, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("does not parse: %v", err)
		}
		want := mail.Header{
			"Date": {l.Date.UTC().Format(time.RFC1123Z)}, "From": {"mailquorum <" + l.From + ">"}, "To": {"<" + l.To + ">"},
			"Subject": {l.subject()}, "Message-Id": {"<" + l.Tag + "@" + l.domain() + ">"},
			"Auto-Submitted": {"auto-generated"}, "X-Auto-Response-Suppress": {"All"}, "X-Mailquorum-Canary": {l.Tag},
			"Mime-Version": {"1.0"}, "Content-Type": {"text/plain; charset=us-ascii"}, "Content-Transfer-Encoding": {"7bit"},
		}
		if l.Canary.Trace != "" {
			want["Traceparent"] = []string{l.Canary.Trace}
		}
		if diff := cmp.Diff(want, m.Header); diff != "" {
			t.Fatalf("header (-want +got):\n%s", diff)
		}
		for _, f := range []string{"From", "To"} {
			if list, err := m.Header.AddressList(f); err != nil || len(list) != 1 {
				t.Fatalf("%s parses to %v, %v", f, list, err)
			}
		}
		if _, _, err := mime.ParseMediaType(m.Header.Get("Content-Type")); err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(m.Body)
		if !bytes.Contains(body, []byte("Canary: "+l.Tag+"\r\n")) {
			t.Fatal("the body does not name the canary")
		}
		for line := range bytes.Lines(raw) {
			if len(line) > 998+2 || !bytes.HasSuffix(line, []byte("\r\n")) || bytes.ContainsAny(line[:len(line)-2], "\r\n\x00") {
				t.Fatalf("bad line %q", line)
			}
			for _, c := range line {
				if c > 0x7e {
					t.Fatalf("not ASCII: %q", line)
				}
			}
		}
		if got := TagsIn(raw); !cmp.Equal(got, []string{l.Tag}) {
			t.Fatalf("TagsIn: %v", got)
		}
		if a := l.Altered(raw); a != nil {
			t.Fatalf("altered on no way at all: %v", a)
		}
	})
	if built == 0 {
		t.Error("no letter was ever built: the property says nothing")
	}
}

func TestNamesThatAddAFieldAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Letter){
		"line end in from":     func(l *Letter) { l.From = "a@b.example\r\nBcc: all@c.example" },
		"bare LF in to":        func(l *Letter) { l.To = "a@b.example\nX: y" },
		"two recipients":       func(l *Letter) { l.To = "a@b.example,c@d.example" },
		"bracket in from":      func(l *Letter) { l.From = "a>@b.example" },
		"no domain":            func(l *Letter) { l.From = "a@" },
		"dots":                 func(l *Letter) { l.From = "a..b@c.example" },
		"address literal":      func(l *Letter) { l.To = "a@[192.0.2.1]" },
		"long label":           func(l *Letter) { l.Domain = strings.Repeat("a", 64) + ".example" },
		"line end in region":   func(l *Letter) { l.Region = "eu\r\n\r\nbody" },
		"nothing in cluster":   func(l *Letter) { l.Cluster = "" },
		"tag of another form":  func(l *Letter) { l.Tag = "mq1-x" },
		"tag with a line end":  func(l *Letter) { l.Tag += "\r\n" },
		"trace with a field":   func(l *Letter) { l.Canary.Trace = "00-\r\nX: y" },
		"trace of version ff":  func(l *Letter) { l.Canary.Trace = "ff" + l.Canary.Trace[2:] },
		"domain with line end": func(l *Letter) { l.Domain = "a.example>\r\nX: y" },
	} {
		l := testLetter()
		change(&l)
		if err := l.Validate(); err == nil || l.Bytes() != nil {
			t.Errorf("%s: accepted", name)
		} else if strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("%s: error on more than one line: %q", name, err)
		}
	}
}

func TestWordingVaries(t *testing.T) {
	seen := map[string]bool{}
	for i := range 64 {
		l := testLetter()
		l.Canary.ID = ID{byte(i), byte(i >> 1), byte(i >> 2), byte(i >> 3)}
		seen[l.subject()+l.body()] = true
	}
	if len(seen) < 30 {
		t.Errorf("64 canaries had %d wordings", len(seen))
	}
}

func TestAlteredNamesTheFields(t *testing.T) {
	l := testLetter()
	raw := string(l.Bytes())
	for name, c := range map[string]struct {
		old, new string
		want     []string
	}{
		"untouched":        {"", "", nil},
		"fields put above": {"Date:", "Received: from a by b; x\r\nDate:", nil},
		"folded again":     {"Subject: Mail route test from", "Subject: Mail route\r\n  test from", nil},
		"names in capitals": {"Message-ID: ", "MESSAGE-ID: ",
			nil},
		"subject marked":       {"Subject: ", "Subject: [EXTERNAL] ", []string{"Subject"}},
		"message id replaced":  {"Message-ID: <", "Message-ID: <0100018d-", []string{"Message-ID"}},
		"trace dropped":        {"traceparent", "x-traceparent", []string{"traceparent"}},
		"subject and encoding": {"7bit", "quoted-printable", []string{"Content-Transfer-Encoding"}},
	} {
		got := l.Altered([]byte(strings.Replace(raw, c.old, c.new, 1)))
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := l.Altered(nil); len(got) != 12 {
		t.Errorf("of an empty header %d fields are missing, want 12: %v", len(got), got)
	}
}

// A bounce or an out-of-office answer quotes the canary's id. Were it read as
// the canary, the monitor would call a bounced mail delivered.
func TestAnswersAreNotTheCanary(t *testing.T) {
	tag := testLetter().Tag
	bounce := fmt.Sprintf("From: MAILER-DAEMON@x.example\r\nMessage-ID: <1@x.example>\r\nIn-Reply-To: <%s@d.example>\r\nReferences: <a@b>\r\n <%s@d.example>\r\nTo: bounces+%s@d.example\r\nSubject: %s\r\n\r\n%s: %s\r\n",
		tag, tag, tag, tag, tagField, tag)
	if got := TagsIn([]byte(bounce)); got != nil {
		t.Errorf("a bounce passes for the canary: %v", got)
	}
	if diff := cmp.Diff([]string{tag}, ReferredTags([]byte(bounce))); diff != "" {
		t.Errorf("ReferredTags (-want +got):\n%s", diff)
	}
}

func TestTagsInIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "X-Mailquorum-Canary: %s\r\n", testKey.Tag(ID{byte(i), byte(i >> 8)}))
	}
	if got := TagsIn([]byte(b.String())); len(got) != maxTags {
		t.Errorf("%d tags", len(got))
	}
	one := "x-mailquorum-canary:\r\n " + strings.ToUpper(testKey.Tag(ID{9}))
	if got := TagsIn([]byte(one)); len(got) != 1 || got[0] != testKey.Tag(ID{9}) {
		t.Errorf("folded and in capitals: %v", got)
	}
	if got := TagsIn([]byte("X-Google-Original-Message-ID: <" + testKey.Tag(ID{7}) + "@d>\r\nMessage-ID: <g@gmail>\r\n")); len(got) != 1 {
		t.Errorf("an id replaced by Gmail: %v", got)
	}
}

// Bug 4 of other probers: a footer that the provider had added ended up in a
// metric label. A tag ends where it ends.
func TestBug4AFooterIsNoPartOfATag(t *testing.T) {
	tag := testLetter().Tag
	for _, value := range []string{tag + " -- scanned by Provider", "[EXTERNAL] " + tag, tag + tag[:20], tag + "\r\n\t(footer)"} {
		if diff := cmp.Diff([]string{tag}, TagsIn([]byte(tagField+": "+value+"\r\n"))); diff != "" {
			t.Errorf("%q (-want +got):\n%s", value, diff)
		}
	}
}
