package probes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	dsnTag   = NewKey([]byte("dsn")).Tag(ID{1})
	otherTag = NewKey([]byte("dsn")).Tag(ID{2})
)

// pages calls test with each page of a folder below testdata: a mail as such a
// server writes it, with LF for CRLF, and what is to be found in it.
func pages(t *testing.T, folder string, atLeast int, draw func(mail []byte) string) {
	t.Helper()
	names, err := filepath.Glob("testdata/" + folder + "/*.txt")
	if err != nil || len(names) < atLeast {
		t.Fatalf("pages: %v, %v", names, err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			mail, want, ok := strings.Cut(string(text), "-- want --\n")
			if !ok {
				t.Fatal("no -- want -- line")
			}
			mail = strings.NewReplacer("OTHERTAG", otherTag, "TAG", dsnTag).Replace(mail)
			for _, eol := range []string{"\n", "\r\n"} {
				if diff := cmp.Diff(want, draw([]byte(strings.ReplaceAll(mail, "\n", eol)))+"\n"); diff != "" {
					t.Errorf("line end %q (-want +got):\n%s", eol, diff)
				}
			}
		})
	}
}

func (d DSN) draw() string {
	var parts []string
	add := func(k, v string) {
		if strings.ContainsAny(v, " ") {
			v = `"` + v + `"`
		}
		if v != "" {
			parts = append(parts, k+"="+v)
		}
	}
	add("action", d.Action)
	add("status", d.Status)
	add("reply", d.Reply.String())
	add("recipient", d.Recipient)
	add("reporter", d.Reporter)
	add("remote", d.Remote)
	for _, tag := range d.Tags {
		parts = append(parts, map[string]string{dsnTag: "tag", otherTag: "othertag"}[tag])
	}
	return strings.Join(parts, " ")
}

func TestReadDSNOfRealServers(t *testing.T) {
	pages(t, "dsn", 11, func(mail []byte) string {
		d, ok := ReadDSN(mail)
		if !ok {
			return "none"
		}
		return d.draw()
	})
}

func TestDSNIsNotTheCanary(t *testing.T) {
	names, _ := filepath.Glob("testdata/dsn/*.txt")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if tags := TagsIn([]byte(strings.ReplaceAll(string(text), "TAG", dsnTag))); len(tags) > 0 {
			t.Errorf("%s passes for the canary", name)
		}
	}
}

// Megabytes of parts, of nested boundaries, or of a single line cost
// what their first 128 KiB cost.
func TestReadDSNIsBounded(t *testing.T) {
	head := "From: MAILER-DAEMON@x\r\nContent-Type: multipart/report; boundary=b\r\n\r\n"
	for name, chunk := range map[string]string{
		"parts": "--b\r\n", "lines": "x\r\n", "line": "x", "empty": "\r\n", "comment": "(", "fields": "--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n\r\n",
		"tags": dsnTag + " ", "nested": "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
	} {
		mail := []byte(head + strings.Repeat(chunk, 4<<20/len(chunk)))
		began := time.Now()
		d, _ := ReadDSN(mail)
		if took := time.Since(began); took > time.Second { // 10 ms are usual
			t.Errorf("%s: %v", name, took)
		}
		if len(d.Tags) > maxTags {
			t.Errorf("%s: %d tags", name, len(d.Tags))
		}
	}
}

func TestDiagnostic(t *testing.T) {
	for in, want := range map[string]Reply{
		"550 5.1.1 no":        {550, "5.1.1", "no"},
		"550-5.1.1 no":        {550, "5.1.1", "no"},
		"451":                 {451, "", ""},
		"550 no such user":    {550, "", "no such user"},
		"552 5.2 full":        {552, "", "5.2 full"},
		"554 5.7.1234 x":      {554, "", "5.7.1234 x"},
		"5501 x":              {},
		"999 x":               {},
		"/bin/false":          {},
		"":                    {},
		"550 5.1.1\x1b[2Jx\n": {550, "5.1.1", `\x1b[2Jx`},
	} {
		if got := diagnostic(in); got != want {
			t.Errorf("%q: %+v, want %+v", in, got, want)
		}
	}
}

func TestUnxtext(t *testing.T) {
	for in, want := range map[string]string{"a+2Bb+3D": "a+b=", "+": "+", "+g0": "+g0", "x+4": "x+4"} {
		if got := unxtext(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzReadDSN(f *testing.F) {
	names, _ := filepath.Glob("testdata/dsn/*.txt")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(strings.ReplaceAll(string(text), "TAG", dsnTag)))
	}
	f.Fuzz(func(t *testing.T, mail []byte) {
		d, ok := ReadDSN(mail)
		if !ok && (d.Action != "" || len(d.Tags) > 0) {
			t.Errorf("nothing found, and yet %+v", d)
		}
		switch d.Action {
		case "", "failed", "delayed", "delivered", "relayed", "expanded":
		default:
			t.Errorf("action %q", d.Action)
		}
		for _, s := range []string{d.Status, d.Reply.Text, d.Reply.Enhanced, d.Recipient, d.Reporter, d.Remote} {
			if len(s) > MaxServerText || Clean(s) != s {
				t.Errorf("unsafe text %q", s)
			}
		}
		for _, tag := range d.Tags {
			if !tagAlone(tag) {
				t.Errorf("%q is no tag", tag)
			}
		}
		_ = fmt.Sprint(d)
	})
}
