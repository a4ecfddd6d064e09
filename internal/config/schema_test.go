package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"
	"github.com/rogpeppe/go-internal/txtar"

	"mailquorum/internal/roster"
)

// schemaOf makes the JSON Schema of a configuration.
func schemaOf(t *testing.T, kind Kind, c comments) []byte {
	t.Helper()
	text := func(pattern, description string) *jsonschema.Schema {
		return &jsonschema.Schema{Type: "string", Pattern: pattern, Description: description}
	}
	words := func(w ...any) *jsonschema.Schema { return &jsonschema.Schema{Type: "string", Enum: w} }
	r := &jsonschema.Reflector{
		FieldNameTag:  "yaml",
		Anonymous:     true,
		LookupComment: c.of,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			switch t {
			case reflect.TypeFor[time.Duration]():
				return text(`^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`, "")
			case reflect.TypeFor[Secret]():
				return text(`^(file:|credential:|env:).+$`, "")
			case reflect.TypeFor[roster.PublicKey]():
				return text(`^mqpub:[A-Za-z0-9_-]{43}$`, "")
			case reflect.TypeFor[TLSMode]():
				return words(Implicit, StartTLS, Plain)
			case reflect.TypeFor[Mechanism]():
				return words(AuthPlain, AuthLogin)
			case reflect.TypeFor[roster.Role]():
				return words(roster.Agent, roster.Coordinator)
			case reflect.TypeFor[roster.Combine]():
				return words(roster.Any, roster.All)
			}
			return nil
		},
	}
	s := r.ReflectFromType(types[kind])
	s.Title = "mailquorum " + string(kind)
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// TestSchema keeps the schemas those of the structs. With -update it writes them.
func TestSchema(t *testing.T) {
	c := readComments(t)
	for kind := range types {
		want := schemaOf(t, kind, c)
		file := filepath.Join("schema", string(kind)+".json")
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := Schema(kind)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is not what the structs say: go test ./internal/config -update\n%s", file, diff)
		}
	}
	if _, err := Schema("pager"); err == nil {
		t.Error("a schema of what does not exist")
	}
}

// schema is what of JSON Schema the test below understands.
type schema struct {
	Ref        string            `json:"$ref"`
	Defs       map[string]schema `json:"$defs"`
	Type       string            `json:"type"`
	Properties map[string]schema `json:"properties"`
	Additional *bool             `json:"additionalProperties"`
	Required   []string          `json:"required"`
	Items      *schema           `json:"items"`
	Enum       []any             `json:"enum"`
	Pattern    string            `json:"pattern"`
}

// TestSchemaAcceptsGood holds the good files and the examples against the
// schemas: an editor must not underline what the program accepts.
func TestSchemaAcceptsGood(t *testing.T) {
	good, err := txtar.ParseFile("testdata/good.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := unpack(t, good)
	for _, kind := range Kinds {
		raw, err := Schema(kind)
		if err != nil {
			t.Fatal(err)
		}
		var s schema
		if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&s); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(filepath.Join(dir, string(kind)+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		example, err := Example(kind)
		if err != nil {
			t.Fatal(err)
		}
		for name, file := range map[string][]byte{"good": content, "example": example} {
			var v any
			if err := yaml.Unmarshal(file, &v); err != nil {
				t.Fatal(err)
			}
			accepts(t, name+" "+string(kind), s, s, v)
		}
		if s.Defs == nil || s.Ref == "" {
			t.Errorf("%s: an empty schema", kind)
		}
	}
}

func accepts(t *testing.T, path string, root, s schema, v any) {
	t.Helper()
	if s.Ref != "" {
		s = root.Defs[strings.TrimPrefix(s.Ref, "#/$defs/")]
	}
	switch v := v.(type) {
	case map[string]any:
		if s.Type != "object" {
			t.Errorf("%s: an object, the schema says %q", path, s.Type)
		}
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				t.Errorf("%s: the schema requires %s", path, name)
			}
		}
		for name, value := range v {
			p, ok := s.Properties[name]
			if !ok {
				t.Errorf("%s: the schema has no %s", path, name)
				continue
			}
			accepts(t, path+"."+name, root, p, value)
		}
	case []any:
		if s.Type != "array" || s.Items == nil {
			t.Errorf("%s: a list, the schema says %q", path, s.Type)
			return
		}
		for _, item := range v {
			accepts(t, path+"[]", root, *s.Items, item)
		}
	case string:
		if s.Type != "string" || s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(v) && !strings.Contains(v, "$KEY") {
			t.Errorf("%s: %q against %q %q", path, v, s.Type, s.Pattern)
		}
	}
}
