package scenario

import (
	"embed"
	"path"
	"strings"
)

//go:embed stories/*.txt
var files embed.FS

// Stories returns the stories that come with the program, parsed, by name: the
// outages of the public record, and the local mishaps that must page nobody.
func Stories() ([]*Scenario, error) {
	entries, err := files.ReadDir("stories")
	if err != nil {
		return nil, err
	}
	var out []*Scenario
	for _, e := range entries {
		text, err := files.ReadFile(path.Join("stories", e.Name()))
		if err != nil {
			return nil, err
		}
		s, err := Parse(strings.TrimSuffix(e.Name(), ".txt"), string(text))
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}
