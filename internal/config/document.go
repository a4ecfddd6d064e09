package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// MaxSize is the largest file that is read, in bytes.
const MaxSize = 1 << 20

// maxDepth bounds nesting: the deepest field of a configuration is at 4.
const maxDepth = 16

// document is one YAML file, and what was found to be wrong with it.
type document struct {
	file     string
	lines    []string
	root     ast.Node
	at       map[string]place // where the value of a path stands
	broken   map[string]bool  // paths with a problem: what follows from it is not said again
	problems Problems
	warnings Problems
}

// place is a position in the file.
type place struct{ line, column int }

// readDocument reads and parses a file. The error is of the operating system,
// or Problems when the content is not fit to be decoded.
func readDocument(path string) (*document, error) {
	content, _, err := readRegular(path, MaxSize)
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	return parse(path, content)
}

// readRegular reads at most limit bytes and one more of a regular file: others
// could block for ever, or have no end.
func readRegular(path string, limit int) ([]byte, os.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	return content, info.Mode().Perm(), err
}

// parse parses the content of a file.
func parse(file string, content []byte) (*document, error) {
	d := &document{file: file, at: map[string]place{}, broken: map[string]bool{}}
	if len(content) > MaxSize {
		return nil, Problems{{File: file, Text: "is larger than 1 MiB: no configuration is"}}
	}
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	content = bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n"))
	d.lines = strings.Split(string(content), "\n")
	if p, ok := d.scanBytes(content); !ok {
		return nil, Problems{p}
	}
	tokens := lexer.Tokenize(string(content))
	if len(tokens) > maxTokens {
		return nil, Problems{{File: file, Text: fmt.Sprintf("more than %d words and signs: no configuration has so many", maxTokens)}}
	}
	if p, ok := d.scanTokens(tokens); !ok {
		return nil, Problems{p}
	}
	tree, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, Problems{d.syntax(err)}
	}
	var docs []*ast.DocumentNode
	for _, doc := range tree.Docs {
		if doc.Body != nil {
			docs = append(docs, doc)
		}
	}
	switch len(docs) {
	case 0:
		return nil, Problems{{File: file, Text: "is empty"}}
	case 1:
		d.root = docs[0].Body
		return d, nil
	}
	return nil, Problems{d.problem(placeOf(docs[1].Body), "a second document: a file holds one")}
}

// maxLine bounds a line, in bytes: a scanner may take time that grows with the
// square of it.
const maxLine = 4096

// maxLines bounds the lines of a file.
const maxLines = 20000

// maxTokens bounds what the parser is given.
const maxTokens = 200000

// scanBytes refuses what no text has, before any library sees it.
func (d *document) scanBytes(content []byte) (Problem, bool) {
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
		case token.DocumentHeaderType, token.MappingValueType, token.CollectEntryType, token.CommentType,
			token.LiteralType, token.FoldedType, token.SpaceType,
			token.NullType, token.ImplicitNullType, token.InfinityType, token.NanType, token.IntegerType,
			token.BinaryIntegerType, token.OctetIntegerType, token.HexIntegerType, token.FloatType, token.StringType,
			token.BoolType, token.DocumentEndType, token.UnknownType:
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

// syntax translates an error of the parser.
func (d *document) syntax(err error) Problem {
	var y yaml.Error
	if !errors.As(err, &y) || y.GetToken() == nil {
		return Problem{File: d.file, Text: "not valid YAML"}
	}
	return d.problem(d.tokenPlace(y.GetToken()), "not valid YAML: %s", clip(y.GetMessage(), 200))
}

// tokenPlace is where a token stands.
func (d *document) tokenPlace(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{1, 1}
	}
	return place{t.Position.Line, t.Position.Column}
}

// placeOf is where a node begins.
func placeOf(n ast.Node) place {
	switch n := n.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 && !n.IsFlowStyle {
			return placeOf(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return placeOf(n.Key)
	case *ast.LiteralNode:
		if n.Start != nil {
			return place{n.Start.Position.Line, n.Start.Position.Column}
		}
	}
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return place{1, 1}
	}
	p := n.GetToken().Position
	return place{p.Line, p.Column}
}

// problem makes a Problem at a place.
func (d *document) problem(at place, format string, args ...any) Problem {
	at.line = min(max(at.line, 1), len(d.lines))
	line := d.lines[at.line-1]
	line = line[:min(len(line), maxLine)]
	at.column = min(max(at.column, 1), utf8.RuneCountInString(line)+1)
	excerpt, caret := excerptOf(line, at.column)
	return Problem{File: d.file, Line: at.line, Column: at.column, Text: fmt.Sprintf(format, args...), excerpt: excerpt, caret: caret}
}

// bad records a fault of the value at path, or of what should be there: then it
// stands at the nearest thing around it. What follows from a fault that is
// already known is not recorded.
func (d *document) bad(path, format string, args ...any) {
	if d.isBroken(path) {
		return
	}
	d.broken[path] = true
	d.problems = append(d.problems, d.problem(d.find(path), format, args...))
}

// warn records what is allowed and yet unwise.
func (d *document) warn(path, format string, args ...any) {
	if d.isBroken(path) {
		return
	}
	p := d.problem(d.find(path), format, args...)
	p.Warning = true
	d.warnings = append(d.warnings, p)
}

// isBroken reports whether path, or anything around it, has a problem.
func (d *document) isBroken(path string) bool {
	for ; ; path = parent(path) {
		if d.broken[path] {
			return true
		}
		if path == "" {
			return false
		}
	}
}

// find is the place of path, or of the nearest thing around it.
func (d *document) find(path string) place {
	for ; ; path = parent(path) {
		if at, ok := d.at[path]; ok {
			return at
		}
		if path == "" {
			return place{1, 1}
		}
	}
}

// parent cuts the last step off a path: "a[0].b" becomes "a[0]", then "a".
func parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

// sorted returns problems in the order of the file.
func sorted(ps Problems) Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return ps
}
