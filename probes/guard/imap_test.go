package guard_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mailquorum/probes/guard"
	"mailquorum/probes/mailtest"
)

// pieces hands out a stream in pieces of random sizes.
type pieces struct {
	net.Conn
	left  []byte
	sizes func() int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.left[:min(len(p.left), p.sizes())])
	p.left = p.left[n:]
	return n, nil
}

// TestIMAPPassesAll: an honest stream arrives unchanged; of one that breaks off
// within a literal, all arrives up to the line feed before it.
func TestIMAPPassesAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream strings.Builder
		announced := []int{} // where the bytes of a literal begin and end
		for range rapid.IntRange(0, 6).Draw(t, "responses") {
			switch n := rapid.IntRange(0, 10_000).Draw(t, "size"); rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				stream.WriteString("* OK {5} text\r\n")
			case 1:
				stream.WriteString("* 1 EXISTS\r\n")
			case 2:
				fmt.Fprintf(&stream, "* 1 FETCH (BODY[] {%d}\r\n", n)
				announced = append(announced, stream.Len(), stream.Len()+n)
				stream.WriteString(strings.Repeat("x", n) + ")\r\n")
			}
		}
		sent := stream.String()[:rapid.IntRange(0, stream.Len()).Draw(t, "cut")]
		want := sent
		for i := 0; i < len(announced); i += 2 {
			if from, to := announced[i], announced[i+1]; from <= len(sent) && len(sent) < to {
				want = sent[:from-1]
			}
		}
		size := rapid.IntRange(1, 5000)
		a, b := mailtest.Pipe()
		defer b.Close()
		g := guard.New(a, guard.IMAPFetch, time.Now().Add(time.Hour))
		defer g.Close()
		top := &pieces{Conn: g, left: []byte(sent), sizes: func() int { return size.Draw(t, "piece") }}
		got, err := io.ReadAll(g.IMAP(top))
		if err != nil || !bytes.Equal(got, []byte(want)) {
			t.Fatalf("got %d bytes of %d, want %d: %v", len(got), len(sent), len(want), err)
		}
	})
}
