// Manual writes the manual pages of mailquorum, one for each command, from the
// command tree into a directory, for packages to install:
//
//	go run ./internal/cli/manual dist/man
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra/doc"

	"mailquorum/internal/cli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: manual DIRECTORY")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "manual: %s\n", err)
		os.Exit(1)
	}
}

// write writes the pages. They bear no date, so that two builds are the same.
func write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the directory of the manual: %w", err)
	}
	never := time.Unix(0, 0)
	header := &doc.GenManHeader{Section: "1", Source: "mailquorum", Manual: "mailquorum", Date: &never}
	if err := doc.GenManTree(cli.New(), header, dir); err != nil {
		return fmt.Errorf("writing the manual: %w", err)
	}
	return nil
}
