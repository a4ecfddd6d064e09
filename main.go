// Mailquorum is a distributed synthetic mail-flow monitor: several regions send
// tagged canary mails through a provider, read them back, and agree whether the
// provider is in trouble.
package main

import (
	"os"

	"mailquorum/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
