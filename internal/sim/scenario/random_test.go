//go:build !race

// Nothing here is concurrent, and the race detector makes it thirty times dearer.

package scenario

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

var seeds = flag.Int("seeds", 3, "random scenarios of each kind")

// TestSameStorySameBytes: a story is told alike each time.
func TestSameStorySameBytes(t *testing.T) {
	s := parse(t, "split-during-outage", random(7, true))
	if a, b := s.Run().String(), s.Run().String(); a != b || a == "" {
		t.Errorf("%s\nand then\n%s", a, b)
	}
}

// TestRandomMishapsPageNobody: whatever happens to fewer regions than a quorum, at
// the provider or of their own making, nobody is paged.
func TestRandomMishapsPageNobody(t *testing.T) {
	for seed := range *seeds {
		check(t, random(uint64(seed+1), false))
	}
}

// TestRandomOutagesPageOnce: a hard outage for all, with mishaps around it, pages
// within a minute, and once; it closes after its end.
func TestRandomOutagesPageOnce(t *testing.T) {
	for seed := range *seeds {
		check(t, random(uint64(seed+1), true))
	}
}

// check tells a random story. Of one that fails, the least that fails is printed,
// to be kept.
func check(t *testing.T, text string) {
	t.Helper()
	fails := func(text string) error { return parse(t, "random", text).Run().Err() }
	err := fails(text)
	if err == nil {
		return
	}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); {
		less := append(append([]string(nil), lines[:i]...), lines[i+1:]...)
		if len(lines[i]) == 0 || lines[i][0] < '0' || lines[i][0] > '9' || fails(strings.Join(less, "\n")) == nil {
			i++
			continue
		}
		lines = less
	}
	text = strings.Join(lines, "\n")
	t.Errorf("%v\nkeep this story:\n%s\n%s", err, text, parse(t, "random", text).Run())
}

func parse(t *testing.T, name, text string) *Scenario {
	t.Helper()
	s, err := Parse(name, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// random makes a story of mishaps that concern two of five regions at most, with
// an outage for all in the middle or without.
func random(seed uint64, outage bool) string {
	r := rand.New(rand.NewPCG(seed, 1))
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	names := []string{"eu", "us", "ap", "sa", "af"}
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	victims := names[:2]
	var b strings.Builder
	fmt.Fprintf(&b, "regions eu@aws us@gcp ap@azure sa@aws af@gcp\ncoordinators %d\nseed %d\nlatency %ds\nbegin 10:00\nuntil 12:30\n",
		1+r.IntN(3), seed, 2+r.IntN(6))
	for range 1 + r.IntN(5) {
		what := pick("fail connect after 10s", "fail tls", "fail envelope 550 5.1.1", "fail data 451 4.3.0", "fail envelope 451 4.7.1",
			"fail auth 535 5.7.8", "hold", "drop share 30%", "slow x5", "bounce 550 5.1.1", "junk", "cut", "unreadable connect",
			"empty", "offline", "offline share 50%", "nodns", "clock 1h", "clock -1h", "starved", "stopped", "restart", "lies down", "lies up")
		if outage && strings.HasPrefix(what, "lies") {
			what = "offline"
		}
		from, length := 5+r.IntN(80), 1+r.IntN(30)
		fmt.Fprintf(&b, "+%dm-+%dm %s %s\n", from, from+length, victims[r.IntN(2)], what)
	}
	if !outage {
		b.WriteString("expect no page\nexpect no opened outage\n")
		return b.String()
	}
	fmt.Fprintf(&b, "+60m-+80m %s\n", pick("fail connect after 5s", "fail data 451 4.3.0", "fail envelope 550 5.1.1", "fail resolve"))
	b.WriteString("expect opened outage within 90s of +60m\nexpect closed outage from +80m to +125m\nexpect 1 opened outage\n")
	return b.String()
}
