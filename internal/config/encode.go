package config

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// nodeOf writes f with the same tags Parse reads it by.
func nodeOf(f *File) *yaml.Node { return schema{}.encode(reflect.ValueOf(f)) }

// encode gives v as YAML. Of a struct only what is set is written: nil means
// absent, while an empty list is one.
func (s schema) encode(v reflect.Value) *yaml.Node {
	if v.Kind() == reflect.Interface {
		if v.IsNil() {
			return single("!!null", "null")
		}
		v = v.Elem()
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if isScalar(v.Type()) {
		// The text forms of lengths and moments read the same with or without quotes.
		return &yaml.Node{Kind: yaml.ScalarNode, Value: textOf(v)}
	}
	switch v.Kind() {
	case reflect.Struct:
		return s.encodeStruct(v)
	case reflect.Map:
		return s.encodeMap(v)
	case reflect.Slice:
		return s.encodeList(v)
	case reflect.String:
		return text(v.String())
	case reflect.Bool:
		return single("!!bool", strconv.FormatBool(v.Bool()))
	case reflect.Float64:
		return single("!!float", strconv.FormatFloat(v.Float(), 'g', -1, 64))
	}
	return single("!!int", strconv.FormatInt(v.Int(), 10))
}

func textOf(v reflect.Value) string {
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	return p.Interface().(scalar).String()
}

func single(tag, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
}

func (s schema) encodeStruct(v reflect.Value) *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range s.of(v.Type()) {
		if x := v.FieldByIndex(f.index); !x.IsZero() {
			out.Content = append(out.Content, text(f.name), s.encode(x))
		}
	}
	return out
}

func (s schema) encodeMap(v reflect.Value) *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode}
	keys := make(map[string]reflect.Value, v.Len())
	for _, k := range v.MapKeys() {
		keys[k.String()] = v.MapIndex(k)
	}
	for _, k := range sortedKeys(keys) {
		out.Content = append(out.Content, text(k), s.encode(keys[k]))
	}
	if len(out.Content) == 0 {
		out.Style = yaml.FlowStyle
	}
	return out
}

// lineWidth is up to where a list of single values stays on one line.
const lineWidth = 80

func (s schema) encodeList(v reflect.Value) *yaml.Node {
	out := &yaml.Node{Kind: yaml.SequenceNode}
	width, flat := 0, true
	for i := range v.Len() {
		n := s.encode(v.Index(i))
		out.Content = append(out.Content, n)
		width += len(n.Value) + 2
		flat = flat && n.Kind == yaml.ScalarNode && n.Style == 0
	}
	if flat && width <= lineWidth {
		out.Style = yaml.FlowStyle
	}
	return out
}

var (
	printable = regexp.MustCompile(`^[ -~]*$`)
	// block is text that reads well as lines and survives it: no line is empty or
	// begins or ends with a space, and exactly one newline ends it. PEM is such text.
	block = regexp.MustCompile(`^([!-~]([ -~]*[!-~])?\n){2,}$`)
)

// text writes a string so that it reads back as the same string: plain or quoted
// as YAML needs, lines as lines, anything unusual with escapes.
func text(s string) *yaml.Node {
	n := single("!!str", s)
	switch {
	case printable.MatchString(s):
	case block.MatchString(s) && !strings.HasPrefix(s, "#"):
		n.Style = yaml.LiteralStyle
	default:
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
