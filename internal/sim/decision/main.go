// Command decision measures the decision and writes docs/decision.md: the figures
// of the design in both simulated worlds, beside other rules, with parts left out,
// and where it is weak. It takes no input but its flags; the same flags give the
// same bytes.
//
//	go run ./internal/sim/decision -o docs/decision.md
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"
)

func main() {
	var (
		out    = flag.String("o", "", "file to write; the plots go beside it. Empty: standard output, no plots")
		years  = flag.Float64("years", 40, "simulated years for the chief figures")
		trials = flag.Int("trials", 2000, "outages of each kind for the chief figures")
		seed   = flag.Uint64("seed", 7021, "of everything")
	)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	start := time.Now()
	s := &study{ctx: ctx, years: *years, trials: *trials, seed: *seed, plots: map[string][]byte{}}
	text, err := s.all()
	if err == nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "decision:", err)
		os.Exit(1)
	}
	fmt.Fprintf(os.Stderr, "\rdone in %v%s\n", time.Since(start).Round(time.Second), strings.Repeat(" ", 40))
	if *out == "" {
		fmt.Print(text)
		return
	}
	dir := "."
	if i := strings.LastIndexByte(*out, '/'); i >= 0 {
		dir = (*out)[:i]
	}
	err = os.WriteFile(*out, []byte(text), 0o644)
	for name, svg := range s.plots {
		if err == nil {
			err = os.WriteFile(dir+"/"+name, bytes.Clone(svg), 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "decision:", err)
		os.Exit(1)
	}
}
