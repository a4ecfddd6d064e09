package config

import (
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// maxDepth bounds nesting: the deepest field of a configuration is at 4.
const maxDepth = 16

// maxLine bounds a line, in bytes: a scanner may take time that grows with the
// square of it.
const maxLine = 4096

// maxLines bounds the lines of a file.
const maxLines = 20000

// maxTokens bounds what the parser is given.
const maxTokens = 200000

// scanBytes refuses what no text has, before any library sees it.
func (d *document) scanBytes() (Problem, bool) {
	if len(d.lines) > maxLines {
		return d.problem(place{maxLines + 1, 1}, "more than %d lines: no configuration has so many", maxLines), false
	}
	for i, line := range d.lines {
		switch {
		case len(line) > maxLine:
			return d.problem(place{i + 1, 1}, "a line of more than %d bytes", maxLine), false
		case !utf8.ValidString(line):
			return d.problem(place{i + 1, 1}, "not UTF-8"), false
		}
		if indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]; strings.Contains(indent, "\t") && indent != line {
			return d.problem(place{i + 1, strings.Index(indent, "\t") + 1}, "a tab in the indentation: use spaces"), false
		}
		for j, r := range line {
			if r < ' ' && r != '\t' || r == 0x7f {
				return d.problem(place{i + 1, utf8.RuneCountInString(line[:j]) + 1}, "a control character"), false
			}
			if r == 0x85 || r == 0x2028 || r == 0x2029 {
				return d.problem(place{i + 1, utf8.RuneCountInString(line[:j]) + 1}, "a line break that is none of a text file"), false
			}
		}
	}
	return Problem{}, true
}

// scanTokens refuses what YAML can do and a configuration has no use for, and
// nesting that would exhaust the parser's stack.
func (d *document) scanTokens(tokens token.Tokens) (Problem, bool) {
	depth, entries, line := 0, 0, 0
	for _, t := range tokens {
		refuse := ""
		switch t.Type {
		case token.AnchorType, token.AliasType:
			refuse = "anchors and aliases (& and *) are not supported: write it out, or in quotes if it is text"
		case token.TagType:
			refuse = "tags (!) are not supported: write it in quotes if it is text"
		case token.MergeKeyType:
			refuse = "merge keys (<<) are not supported: write it out"
		case token.MappingKeyType:
			refuse = "explicit keys (?) are not supported: write `key: value`"
		case token.DirectiveType:
			refuse = "directives (%) are not supported"
		case token.InvalidType:
			refuse = t.Error
			if refuse == "" {
				refuse = "not valid YAML"
			}
		case token.SingleQuoteType, token.DoubleQuoteType:
			if strings.Contains(strings.TrimSpace(t.Origin), "\n") {
				refuse = "a quote that does not end on its line"
			}
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType:
			if t.Position.Line != line {
				line, entries = t.Position.Line, 0
			}
			entries++
		}
		if depth > maxDepth || entries > 4 || t.Position.IndentNum > 8*maxDepth && t.Type != token.StringType {
			refuse = "nested too deeply"
		}
		if refuse != "" {
			return d.problem(d.tokenPlace(t), "%s", refuse), false
		}
	}
	return Problem{}, true
}
