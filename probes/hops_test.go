package probes

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// draw writes a hop as the pages in testdata/received do.
func (h Hop) draw() string {
	var parts []string
	add := func(k, v string) {
		if v != "" {
			parts = append(parts, k+"="+v)
		}
	}
	add("from", h.From)
	add("by", h.By)
	add("with", h.With)
	add("id", h.ID)
	if !h.At.IsZero() {
		add("at", h.At.Format(time.RFC3339Nano))
	}
	if h.Delay != 0 {
		add("delay", h.Delay.String())
	}
	if h.Skew {
		parts = append(parts, "skew")
	}
	return strings.Join(parts, " ")
}

// Each page of testdata/received is a header as such a server writes it, with
// LF for CRLF, and the hops that it holds.
func TestParseHopsOfRealServers(t *testing.T) {
	pages, err := filepath.Glob("testdata/received/*.txt")
	if err != nil || len(pages) < 9 {
		t.Fatalf("pages: %v, %v", pages, err)
	}
	for _, page := range pages {
		t.Run(strings.TrimSuffix(filepath.Base(page), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			header, want, ok := strings.Cut(string(text), "-- want --\n")
			if !ok {
				t.Fatal("no -- want -- line")
			}
			for _, eol := range []string{"\n", "\r\n"} {
				var got strings.Builder
				for _, h := range ParseHops([]byte(strings.ReplaceAll(header, "\n", eol))) {
					fmt.Fprintln(&got, h.draw())
				}
				if diff := cmp.Diff(want, got.String()); diff != "" {
					t.Errorf("line end %q (-want +got):\n%s", eol, diff)
				}
			}
		})
	}
}

func TestParseHopsIsBounded(t *testing.T) {
	one := "Received: from a by b with SMTP id %d; Tue, 16 Jan 2024 10:00:00 +0000\r\n"
	var many strings.Builder
	for i := range 500 {
		fmt.Fprintf(&many, one, i)
	}
	hops := ParseHops([]byte(many.String()))
	if len(hops) != maxHops || hops[maxHops-1].ID != "0" {
		t.Errorf("of 500 hops want the newest %d, newest last; got %d, last %q", maxHops, len(hops), hops[len(hops)-1].ID)
	}
	huge := []byte("Received: from " + strings.Repeat("x", 1<<20) + " by y; Tue, 16 Jan 2024 10:00:00 +0000\r\n")
	if h := ParseHops(huge); len(h) != 1 || len(h[0].From) > maxHopText {
		t.Errorf("a field of 1 MiB gave %d hops", len(h))
	}
	folded := []byte("Received: from a" + strings.Repeat("\r\n\tb", 1<<20))
	if h := ParseHops(folded); len(h) != 1 {
		t.Errorf("a field of a million lines gave %d hops", len(h))
	}
	if h := ParseHops([]byte("\r\nReceived: from body by y\r\n")); len(h) != 0 {
		t.Errorf("read a hop after the end of the header: %v", h)
	}
}

func FuzzParseHops(f *testing.F) {
	pages, _ := filepath.Glob("testdata/received/*.txt")
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("Received: ((((\\"))
	f.Fuzz(func(t *testing.T, header []byte) {
		hops := ParseHops(header)
		if len(hops) > maxHops || len(hops) > bytes.Count(bytes.ToLower(header), []byte("received")) {
			t.Fatalf("%d hops", len(hops))
		}
		for _, h := range hops {
			for _, s := range []string{h.From, h.By, h.With, h.ID} {
				if len(s) > maxHopText || Clean(s) != s {
					t.Fatalf("unclean text %q", s)
				}
			}
			if h.Skew != (h.Delay < 0) {
				t.Fatalf("skew %v with a delay of %v", h.Skew, h.Delay)
			}
		}
		TagsIn(header)
		ReferredTags(header)
	})
}
