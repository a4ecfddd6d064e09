package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/rogpeppe/go-internal/txtar"

	"mailquorum/internal/roster"
)

// FuzzParse feeds any bytes to the parser and the checks of every kind of file.
// Nothing panics, and each problem has a place in the file and is printable. What
// takes more than ten seconds is a failure to the fuzzer.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/said/*.txtar", "testdata/*.txtar"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			a, err := txtar.ParseFile(file)
			if err != nil {
				f.Fatal(err)
			}
			for _, one := range a.Files {
				f.Add(one.Data)
			}
		}
	}
	for _, kind := range Kinds {
		example, err := Example(kind)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(example)
	}
	for _, b := range bombs(1000) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		problems := everything(content)
		lines := strings.Count(string(content), "\n") + 1
		for _, p := range problems {
			if p.Line < 0 || p.Line > lines || p.Line > 0 && p.Column < 1 {
				t.Errorf("a place outside of the file: %+v", p)
			}
			if strings.ContainsFunc(p.Error(), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
				t.Errorf("not printable: %q", p.Error())
			}
		}
	})
}

// everything is all that the three kinds of check say of some bytes. Nothing is
// read from disk.
func everything(content []byte) Problems {
	var all Problems
	for _, kind := range Kinds {
		d, err := parse("fuzz.yaml", bytes.Clone(content))
		var problems Problems
		if errors.As(err, &problems) {
			return problems
		}
		l := &loader{d: d, o: Options{WithoutSecrets: true}, dir: os.DevNull}
		switch kind {
		case KindAgent:
			a := &Agent{}
			d.decode(a)
			l.agent(a)
		case KindCoordinator:
			c := &Coordinator{}
			d.decode(c)
			l.coordinator(c)
		case KindRoster:
			r := &roster.Roster{}
			d.decode(r)
			d.roster(r)
		}
		d.kind()
		all = append(append(all, d.problems...), d.warnings...)
	}
	return all
}

// bombs are files of about n bytes each that ask much of a parser.
func bombs(n int) map[string][]byte {
	fill := func(unit string) []byte { return bytes.Repeat([]byte(unit), n/len(unit)+1)[:n] }
	deep := func() []byte {
		var b bytes.Buffer
		for i := 0; b.Len() < n; i++ {
			b.WriteString(strings.Repeat(" ", i) + "a:\n")
		}
		return b.Bytes()[:n]
	}
	return map[string][]byte{
		"brackets": fill("["), "braces": fill("{a: "), "dashes": fill("- "), "questions": fill("? "), "colons": fill("a: "),
		"lines": fill("a: b\n"), "items": fill("- a\n"), "nested items": fill("- - - - a\n"), "deep": deep(),
		"quotes": fill("'"), "double quotes": fill(`"`), "escapes": append([]byte(`a: "`), fill(`\u0041`)...),
		"one line": fill("x"), "spaces": fill(" "), "comments": fill("# c\n"), "tabs": fill("\t"), "newlines": fill("\n"),
		"literal": append([]byte("a: |\n"), fill("  x\n")...), "folded": append([]byte("a: >\n"), fill("  x\n")...),
		"anchors": fill("&a "), "aliases": fill("*a "), "tags": fill("!a "), "documents": fill("---\n"), "merge": fill("<<: "),
		"flow list": append([]byte("nodes: ["), fill("{}, ")...), "long lines": fill(strings.Repeat("a", 4000) + ": b\n"),
		"plain": fill("a\n"), "plain flow": fill("a: [b, c]\n"), "numbers": fill("a: 1e9\n"), "regions": append([]byte("regions:\n"), fill("  - {name: r}\n")...),
		"broken nodes": append([]byte("nodes:\n"), fill("- {rol: b}\n")...), "carriage": fill("\r\n"), "returns": fill("a: b\r"),
		"voters":  append([]byte("regions: [{name: a}]\nservices:\n"), fill("- {name: b, regions: ["+strings.Repeat("a,", 900)+"]}\n")...),
		"strings": fill("a: 'b'\n"), "indent": fill("  a\n"), "unicode": fill("é: ü\n"), "percent": fill("%a\n"), "pipes": fill("|\n"),
	}
}

// TestBombs reads a large file in each of these forms: it ends, and says what
// is wrong in a message of bounded length.
func TestBombs(t *testing.T) {
	for name, b := range bombs(MaxSize / 4) {
		began := time.Now()
		problems := everything(b)
		t.Logf("%s: %v", name, time.Since(began))
		if len(problems) == 0 {
			t.Errorf("%s: nothing wrong with it", name)
		}
		if text := problems.Error(); len(text) > 64<<10 {
			t.Errorf("%s: a message of %d bytes", name, len(text))
		}
	}
}
