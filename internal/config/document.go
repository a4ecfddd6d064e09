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
	if p, ok := d.scanBytes(); !ok {
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
