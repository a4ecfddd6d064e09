package config

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"mailquorum/internal/roster"
)

// comments are the doc comments of types ("agent.Type") and fields
// ("agent.Type.Field"), with the package's name in front.
type comments map[string]string

// readComments reads the comments of the structs that make up configuration.
func readComments(t *testing.T) comments {
	t.Helper()
	c := comments{}
	for pkg, dir := range map[string]string{"config": ".", "roster": "../roster"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, decl := range f.Decls {
				if g, ok := decl.(*ast.GenDecl); ok {
					c.add(pkg, g)
				}
			}
		}
	}
	return c
}

func (c comments) add(pkg string, g *ast.GenDecl) {
	for _, spec := range g.Specs {
		t, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		key := pkg + "." + t.Name.Name
		c[key] = oneLine(g.Doc.Text())
		s, ok := t.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range s.Fields.List {
			for _, name := range f.Names {
				c[key+"."+name.Name] = oneLine(f.Doc.Text() + f.Comment.Text())
			}
		}
	}
}

// oneLine joins the lines of a paragraph; blank lines stay.
func oneLine(s string) string {
	s = strings.ReplaceAll(strings.TrimSpace(s), "\n\n", "\x00")
	return strings.ReplaceAll(strings.ReplaceAll(s, "\n", " "), "\x00", "\n\n")
}

// of looks up the comment of a type, or of one of its fields.
func (c comments) of(t reflect.Type, field string) string {
	pkg := t.PkgPath()
	key := pkg[strings.LastIndex(pkg, "/")+1:] + "." + t.Name()
	if field != "" {
		key += "." + field
	}
	return c[key]
}

// eachField calls f for every field of a configuration, with its path: lists
// are written "name[]".
func eachField(t reflect.Type, path string, f func(path string, owner reflect.Type, field reflect.StructField)) {
	for i := range t.NumField() {
		field := t.Field(i)
		name := yamlName(field)
		if name == "" {
			continue
		}
		at, inner := join(path, name), field.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			if inner.Kind() == reflect.Slice && inner != reflect.TypeFor[roster.PublicKey]() {
				at += "[]"
			}
			if inner == reflect.TypeFor[roster.PublicKey]() {
				break
			}
			inner = inner.Elem()
		}
		f(at, t, field)
		if inner.Kind() == reflect.Struct && inner != reflect.TypeFor[Secret]() {
			eachField(inner, at, f)
		}
	}
}

// types are the structs of the three files.
var types = map[Kind]reflect.Type{
	KindAgent:       reflect.TypeFor[Agent](),
	KindCoordinator: reflect.TypeFor[Coordinator](),
	KindRoster:      reflect.TypeFor[roster.Roster](),
}

// TestCommentsSayDefault keeps the manual complete: each field of the daemons'
// files says whether it is required or what its default is.
func TestCommentsSayDefault(t *testing.T) {
	c := readComments(t)
	for kind, typ := range types {
		eachField(typ, "", func(path string, owner reflect.Type, f reflect.StructField) {
			text := c.of(owner, f.Name)
			if text == "" && kind == KindRoster {
				return // names and roles explain themselves there
			}
			if kind != KindRoster && !strings.Contains(text, "Required") && !strings.Contains(text, "Default: ") {
				t.Errorf("%s %s: the comment says neither Required nor Default: %q", kind, path, text)
			}
			if f.Type == reflect.TypeFor[time.Duration]() && !strings.Contains(strings.ToLower(text), "default") {
				t.Errorf("%s %s: a duration without a default in its comment", kind, path)
			}
		})
	}
}

// TestExamplesHaveEveryField keeps the examples complete.
func TestExamplesHaveEveryField(t *testing.T) {
	for kind, typ := range types {
		text, err := Example(kind)
		if err != nil {
			t.Fatal(err)
		}
		eachField(typ, "", func(path string, _ reflect.Type, f reflect.StructField) {
			if !strings.Contains(string(text), yamlName(f)+":") {
				t.Errorf("the example of %s does not show %s", kind, path)
			}
		})
	}
}
