package config

import (
	"embed"
	"fmt"
)

// The schemas are written by `go test ./internal/config -update` from the
// structs and their comments; the same test fails when they differ.
//
//go:embed example/*.yaml schema/*.json
var files embed.FS

// Kinds are the kinds of file, in the order in which one needs them.
var Kinds = []Kind{KindRoster, KindAgent, KindCoordinator}

// Example returns a commented file of that kind, to start from.
func Example(k Kind) ([]byte, error) { return embedded(k, "example/", ".yaml") }

// Schema returns the JSON Schema (draft 2020-12) of that kind of file, for
// editors. It knows types and fields; `mailquorum config check` knows more.
func Schema(k Kind) ([]byte, error) { return embedded(k, "schema/", ".json") }

func embedded(k Kind, before, after string) ([]byte, error) {
	b, err := files.ReadFile(before + string(k) + after)
	if err != nil {
		return nil, fmt.Errorf("%q: want roster, agent or coordinator", string(k))
	}
	return b, nil
}
