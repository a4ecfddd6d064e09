package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// decode fills v, a pointer to a struct, from the document. It goes on after a
// fault, so that all are found.
func (d *document) decode(v any) {
	d.value(d.root, reflect.ValueOf(v).Elem(), "")
}

var (
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	durationType = reflect.TypeFor[time.Duration]()
)

// value decodes one node into v.
func (d *document) value(n ast.Node, v reflect.Value, path string) {
	d.at[path] = placeOf(n)
	if _, null := n.(*ast.NullNode); null {
		d.bad(path, "has no value: give one, or remove the line")
		return
	}
	switch {
	case reflect.PointerTo(v.Type()).Implements(textType):
		if s, ok := d.text(n, path); ok {
			if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
				d.bad(path, "%s", err)
			}
		}
		return
	case v.Type() == durationType:
		d.duration(n, v, path)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
	case reflect.Struct:
		d.mapping(n, v, path)
	case reflect.Slice:
		d.sequence(n, v, path)
	case reflect.String:
		if s, ok := d.text(n, path); ok {
			v.SetString(s)
		}
	case reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			d.bad(path, "want true or false, not %s", describe(n))
			return
		}
		v.SetBool(b.Value)
	case reflect.Uint64:
		i, ok := n.(*ast.IntegerNode)
		if !ok {
			d.bad(path, "want a whole number, not %s", describe(n))
			return
		}
		u, err := strconv.ParseUint(i.Token.Value, 10, 64)
		if err != nil {
			d.bad(path, "want a whole number from 0, in plain digits")
			return
		}
		v.SetUint(u)
	default:
		panic("config: no decoding into " + v.Type().String()) // a struct of ours; a test decodes every field
	}
}

// text decodes a scalar that must be text.
func (d *document) text(n ast.Node, path string) (string, bool) {
	var s string
	switch n := n.(type) {
	case *ast.StringNode:
		s = n.Value
	case *ast.LiteralNode:
		s = strings.TrimSuffix(n.Value.Value, "\n")
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		d.bad(path, "want text, not %s: put it in quotes", describe(n))
		return "", false
	default:
		d.bad(path, "want text, not %s", describe(n))
		return "", false
	}
	if s == "" {
		d.bad(path, "is empty: give a value, or remove the line")
		return "", false
	}
	return s, true
}

// maxDuration bounds every duration of a configuration.
const maxDuration = 365 * 24 * time.Hour

func (d *document) duration(n ast.Node, v reflect.Value, path string) {
	s, ok := n.(*ast.StringNode)
	if _, number := n.(*ast.IntegerNode); number {
		d.bad(path, "a duration needs a unit: write 90s, 5m or 1h30m")
		return
	}
	if !ok {
		d.bad(path, "want a duration such as 90s, 5m or 1h30m, not %s", describe(n))
		return
	}
	t, err := time.ParseDuration(s.Value)
	switch {
	case err != nil:
		d.bad(path, "%s is no duration: write 90s, 5m or 1h30m", quote(s.Value))
	case t < 0:
		d.bad(path, "a duration cannot be negative")
	case t > maxDuration:
		d.bad(path, "more than a year")
	default:
		v.SetInt(int64(t))
	}
}

// maxItems bounds a list.
const maxItems = 1000

func (d *document) sequence(n ast.Node, v reflect.Value, path string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.bad(path, "want a list (lines that begin with \"- \"), not %s", describe(n))
		return
	}
	if len(seq.Values) > maxItems {
		d.bad(path, "a list of %d entries: at most %d", len(seq.Values), maxItems)
		return
	}
	out := reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values))
	for i, item := range seq.Values {
		d.value(item, out.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
	v.Set(out)
}

func (d *document) mapping(n ast.Node, v reflect.Value, path string) {
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		d.bad(path, "want fields (lines of `name: value`), not %s", describe(n))
		return
	}
	fields, names := fieldsOf(v.Type())
	seen := map[string]int{}
	for _, pair := range pairs {
		key := keyOf(pair.Key)
		at := placeOf(pair.Key)
		index, known := fields[key]
		if !known {
			d.unknown(path, key, names, at)
			continue
		}
		if line, twice := seen[key]; twice {
			d.problems = append(d.problems, d.problem(at, "%s is set twice, first on line %d", key, line))
			continue
		}
		seen[key] = at.line
		d.value(pair.Value, v.Field(index), join(path, key))
		if _, null := pair.Value.(*ast.NullNode); null {
			d.at[join(path, key)] = at
		}
	}
}

// unknown records a field that does not exist, by its key: the value beside it
// may be anything, so it is not shown.
func (d *document) unknown(path, key string, names []string, at place) {
	where := path
	if where == "" {
		where = "at the top level"
	} else {
		where = "in " + where
	}
	hint := "the fields there are " + strings.Join(names, ", ")
	if near := nearest(key, names); near != "" {
		hint = "did you mean " + near + "?"
		d.broken[join(path, near)] = true
	}
	p := d.problem(at, "there is no field %s %s: %s", quote(key), where, hint)
	if r := []rune(p.excerpt); p.caret-1+len([]rune(key)) < len(r) {
		p.excerpt = string(r[:p.caret-1+len([]rune(key))]) + ": ..."
	}
	d.problems = append(d.problems, p)
}

// fieldsOf returns a struct's fields by their names in YAML, and these names in
// their order.
func fieldsOf(t reflect.Type) (map[string]int, []string) {
	fields, names := map[string]int{}, []string{}
	for i := range t.NumField() {
		if name := yamlName(t.Field(i)); name != "" {
			fields[name] = i
			names = append(names, name)
		}
	}
	return fields, names
}

// yamlName is a field's name in YAML, "" for a field that is not there.
func yamlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if name == "-" || !f.IsExported() {
		return ""
	}
	return name
}

func keyOf(k ast.MapKeyNode) string {
	if s, ok := k.(*ast.StringNode); ok {
		return s.Value
	}
	if k == nil || k.GetToken() == nil {
		return ""
	}
	return k.GetToken().Value
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// describe names a node's kind for people.
func describe(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "fields"
	case *ast.SequenceNode:
		return "a list"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.NullNode:
		return "nothing"
	}
	return "this"
}

// topLevel returns the keys of the document.
func (d *document) topLevel() []string {
	var keys []string
	switch n := d.root.(type) {
	case *ast.MappingNode:
		for _, pair := range n.Values {
			keys = append(keys, keyOf(pair.Key))
		}
	case *ast.MappingValueNode:
		keys = append(keys, keyOf(n.Key))
	}
	return keys
}
