package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mailquorum/internal/roster"
)

const reference = "../../docs/configuration.md"

// referenceIntro stands before the fields.
const referenceIntro = `# Configuration

<!-- Written by go test ./internal/config -update from the comments of the structs
     in internal/config and internal/roster. The same test fails when they differ. -->

Three kinds of file: the [roster](#roster), the same on every node; the
configuration of an [agent](#agent); and that of a [coordinator](#coordinator).

~~~
mailquorum config example agent > agent.yaml     a commented file to start from
mailquorum config check agent.yaml roster.yaml   what is wrong, and what is unwise
mailquorum config schema agent                   a JSON Schema, for editors
~~~

## Rules

- **YAML, strict.** One document, at most 1 MiB. Fields that do not exist, values of
  a wrong type and values that cannot be right are errors. All are said at once,
  each with file, line, column, the line itself and a caret. Anchors, aliases, tags
  and merge keys are refused, and nothing is expanded.
- **Durations** have a unit: ` + "`90s`, `5m`, `1h30m`" + `. **Paths** are relative to the file
  in which they stand.
- **Secrets** never stand in a file. A field of the type *secret* says where one is:
  ` + "`file:/path`" + ` (the content of a file), ` + "`credential:NAME`" + ` (a file in
  $CREDENTIALS_DIRECTORY, where systemd puts what LoadCredential= names) or
  ` + "`env:NAME`" + `. One newline at its end is cut off. A file that every user of the host
  may read is warned of.
- **Warnings** say what is allowed and yet unwise: what the number of regions can
  promise, what a provider's published quota says, controls that are missing.
  ` + "`config check --strict`" + ` fails on them.
- **Reload**: SIGHUP reads configuration, roster and secrets anew. If anything is
  wrong, that is logged, and all stays as it is; else the daemon starts anew with
  them. Under systemd, credentials are read when the unit starts: a changed one
  needs a restart.
`

// TestReference keeps docs/configuration.md what the structs say. With -update it
// writes it.
func TestReference(t *testing.T) {
	c := readComments(t)
	var b strings.Builder
	b.WriteString(referenceIntro)
	for _, kind := range Kinds {
		fmt.Fprintf(&b, "\n## %s\n", strings.ToUpper(string(kind[0]))+string(kind[1:]))
		c.section(&b, types[kind], string(kind), "")
	}
	want := b.String()
	if *update {
		if err := os.MkdirAll("../../docs", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(reference, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/configuration.md is not what the structs say: go test ./internal/config -update\n%s", diff)
	}
}

// section writes the fields of a struct, then those of the structs in it.
func (c comments) section(b *strings.Builder, typ reflect.Type, kind, path string) {
	if path != "" {
		fmt.Fprintf(b, "\n### %s: %s\n", kind, path)
	}
	about := c.of(typ, "")
	fmt.Fprintf(b, "\n%s\n\n", wrap(about, ""))
	inner := []func(){}
	for i := range typ.NumField() {
		f := typ.Field(i)
		name := yamlName(f)
		if name == "" {
			continue
		}
		word, elem := wordFor(f.Type)
		text := c.of(typ, f.Name)
		if rest, ok := strings.CutPrefix(text, f.Name+" "); ok {
			text = strings.TrimPrefix(strings.TrimPrefix(rest, "is "), "are ")
		}
		b.WriteString(wrap(fmt.Sprintf("- **`%s`** (%s): %s", name, word, text), "  ") + "\n")
		if elem != nil {
			at := join(path, name)
			if f.Type.Kind() == reflect.Slice {
				at += "[]"
			}
			inner = append(inner, func() { c.section(b, elem, kind, at) })
		}
	}
	for _, f := range inner {
		f()
	}
}

// wordFor says what is written for a type, and returns the struct within, if any.
func wordFor(t reflect.Type) (string, reflect.Type) {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "duration", nil
	case reflect.TypeFor[Secret]():
		return "secret", nil
	case reflect.TypeFor[roster.PublicKey]():
		return "public key", nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return wordFor(t.Elem())
	case reflect.Struct:
		return "fields, see below", t
	case reflect.Slice:
		if _, elem := wordFor(t.Elem()); elem != nil {
			return "list, see below", elem
		}
		return "list of text", nil
	case reflect.Bool:
		return "true or false", nil
	case reflect.Uint64:
		return "number", nil
	}
	return "text", nil
}

// wrap breaks the lines of paragraphs at 80 columns.
func wrap(s, indent string) string {
	var out []string
	for paragraph := range strings.SplitSeq(s, "\n\n") {
		line := ""
		for word := range strings.FieldsSeq(paragraph) {
			if line != "" && len(line)+1+len(word) > 80 {
				out = append(out, line)
				line = indent + word
			} else if line == "" {
				line = word
			} else {
				line += " " + word
			}
		}
		out = append(out, line, "")
	}
	return strings.Join(out[:len(out)-1], "\n")
}
