package verdict

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets each property be drawn 30 times unless -rapid.checks says
// otherwise: every draw signs and verifies dozens of reports.
func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if !asked {
		if err := flag.Set("rapid.checks", "30"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
