package probes

import (
	"fmt"
	"strings"
	"time"
)

// Bounds of a transcript. Of a longer dialogue the middle is left out: what was
// said first and last tells most.
const (
	transcriptHead = 60 // lines
	transcriptTail = 60
)

// Side says who spoke a line of a transcript.
type Side string

// The sides of a dialogue.
const (
	Client Side = "C"
	Server Side = "S"
	Note   Side = "-" // neither: what we did or saw
)

// Line is one line of a dialogue.
type Line struct {
	At   time.Duration `json:"ns"` // since the dialogue's begin
	Side Side          `json:"side"`
	Text string        `json:"text"` // through Clean
}

// Transcript is the dialogue of one attempt, bounded to 120 lines of at most
// MaxServerText bytes. It holds no secrets as long as each line went through a
// Redactor. It is not safe for concurrent use: package probes/tap records one
// from a connection.
type Transcript struct {
	Lines   []Line `json:"lines,omitempty"`
	Omitted int    `json:"omitted,omitempty"` // lines left out after the first 60
}

// Add appends a line.
func (t *Transcript) Add(at time.Duration, side Side, text string) {
	if len(t.Lines) >= transcriptHead+transcriptTail {
		copy(t.Lines[transcriptHead:], t.Lines[transcriptHead+1:])
		t.Lines = t.Lines[:len(t.Lines)-1]
		t.Omitted++
	}
	t.Lines = append(t.Lines, Line{at, side, Clean(text)})
}

// String is the dialogue as a page, with milliseconds since its begin:
//
//	 0  -  connected to 192.0.2.1
//	31  S  220 mail.example
//	31  C  EHLO canary.example
func (t Transcript) String() string {
	var b strings.Builder
	for i, l := range t.Lines {
		if i == transcriptHead && t.Omitted > 0 {
			fmt.Fprintf(&b, "        (%d lines left out)\n", t.Omitted)
		}
		fmt.Fprintf(&b, "%6d  %s  %s\n", l.At.Milliseconds(), l.Side, l.Text)
	}
	return b.String()
}
