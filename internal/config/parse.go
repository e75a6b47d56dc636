package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// The limits of one document.
const (
	MaxBytes = 8 << 20
	maxDepth = 32
)

// Parse reads one configuration document. It notes every problem it finds and
// goes on; only a text that is not YAML at all ends it early. The file it gives
// is what could be read, and is complete when there is no problem.
func Parse(name string, text []byte) (*File, []Problem) {
	f := &File{Name: name}
	p := parse(name, text, f)
	f.at = p.at
	if len(p.problems) == 0 && f.Version != Version {
		p.version(f)
	}
	return f, tidy(p.problems)
}

func (p *parser) version(f *File) {
	at, written := p.at["version"]
	if !written {
		p.add(pos{1, 1}, "version", "version is missing", "begin the file with `version: 1`")
		return
	}
	p.add(at, "version", fmt.Sprintf("version %d is not one this server reads", f.Version), "write `version: 1`")
}

// ParseServe reads a file of server settings with the same rules as Parse.
func ParseServe(name string, text []byte) (Serve, []Problem) {
	var s Serve
	p := parse(name, text, &s)
	return s, tidy(p.problems)
}

type parser struct {
	name     string
	at       map[string]pos
	problems []Problem
	schema   schema
}

// parse reads text into the struct v points to.
func parse(name string, text []byte, v any) *parser {
	p := &parser{name: name, at: map[string]pos{}, schema: schema{}}
	if node := p.document(text); node != nil {
		p.value(node, reflect.ValueOf(v).Elem(), "", nil, 0)
	}
	return p
}

// document gives the root of the only document, nil when there is none to read.
func (p *parser) document(text []byte) *yaml.Node {
	if len(text) > MaxBytes {
		p.add(pos{1, 1}, "", "the file is larger than 8 MiB", "split it into several files")
		return nil
	}
	if at, ok := notUTF8(text); ok {
		p.add(at, "", "the text is not UTF-8", "save the file as UTF-8")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var first, second yaml.Node
	switch err := dec.Decode(&first); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		p.syntax(err)
		return nil
	}
	switch err := dec.Decode(&second); {
	case err == nil:
		p.add(pos{second.Line, second.Column}, "", "a second document begins here", "remove the line `---`, or put this part into a file of its own")
	case !errors.Is(err, io.EOF):
		p.syntax(err)
	}
	if first.Kind != yaml.DocumentNode || len(first.Content) != 1 {
		return nil
	}
	root := first.Content[0]
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" && root.Value == "" {
		return nil // nothing but comments
	}
	return root
}

func notUTF8(text []byte) (pos, bool) {
	if utf8.Valid(text) {
		return pos{}, false
	}
	line := 1
	for l := range bytes.Lines(text) {
		if !utf8.Valid(l) {
			return pos{line, 0}, true
		}
		line++
	}
	return pos{line, 0}, true
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntax notes a text that is not YAML, in the YAML reader's own words.
func (p *parser) syntax(err error) {
	m := yamlLine.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	line, text := 1, "not YAML"
	if m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
		text += ": " + m[2]
	}
	p.add(pos{line, 0}, "", text, "check indentation, brackets and quotes on this line and the one above")
}

func (p *parser) add(at pos, path, text, next string) {
	if len(p.problems) < MaxProblems {
		p.problems = append(p.problems, Problem{p.name, at.line, at.column, path, text, next})
	}
}

func (p *parser) wrong(n *yaml.Node, path, text, next string) {
	p.add(pos{n.Line, n.Column}, path, text, next)
}

// fit reports whether n may be used at all. Anchors and aliases are refused: a
// few lines of them grow into gigabytes, and a reader of the file has to follow
// them too.
func (p *parser) fit(n *yaml.Node, path string, depth int) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		p.wrong(n, path, "an alias (*"+n.Value+") is not allowed", "write the value out")
	case n.Anchor != "":
		p.wrong(n, path, "an anchor (&"+n.Anchor+") is not allowed", "remove it and write the value out where it is needed")
	case n.Style&yaml.TaggedStyle != 0:
		p.wrong(n, path, "a type tag ("+n.Tag+") is not allowed", "remove it")
	case depth > maxDepth:
		p.wrong(n, path, fmt.Sprintf("nested deeper than %d levels", maxDepth), "flatten it")
	default:
		return true
	}
	return false
}

// value reads n into v. one lists the values a text may have, nil = any.
func (p *parser) value(n *yaml.Node, v reflect.Value, path string, one []string, depth int) {
	p.at[path] = pos{n.Line, n.Column}
	if !p.fit(n, path, depth) {
		return
	}
	if v.Kind() == reflect.Interface {
		if x, ok := p.free(n, path, depth); ok && x != nil {
			v.Set(reflect.ValueOf(x))
		}
		return
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		p.wrong(n, path, last(path)+" has no value", "give it one, or remove the line")
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if s, ok := v.Addr().Interface().(scalar); ok {
		p.scalar(n, s, path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		p.mapping(n, v, path, depth)
	case reflect.Map:
		p.entries(n, v, path, depth)
	case reflect.Slice:
		p.list(n, v, path, one, depth)
	case reflect.String:
		p.text(n, v, path, one)
	case reflect.Bool:
		p.boolean(n, v, path)
	case reflect.Int, reflect.Int64:
		p.integer(n, v, path)
	}
}

// shapeOf says in words what n is.
func shapeOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}

func (p *parser) shape(n *yaml.Node, want yaml.Kind, path, wanted, next string) bool {
	if n.Kind == want {
		return true
	}
	what := last(path)
	if what == "" {
		what = "the file"
	}
	p.wrong(n, path, fmt.Sprintf("%s must be %s, not %s", what, wanted, shapeOf(n)), next)
	return false
}

// last is the final name of a path, for sentences.
func last(path string) string {
	return path[strings.LastIndexByte(path, '.')+1:]
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// pairs walks the keys of a mapping and refuses repeats: which of two values
// counts would be a matter of the reader.
func (p *parser) pairs(n *yaml.Node, path string, each func(key, value *yaml.Node)) {
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!null" || key.ShortTag() == "!!merge" || key.Anchor != "" || key.Style&yaml.TaggedStyle != 0 {
			p.wrong(key, path, "this key is not a plain name", "write name: value")
			continue
		}
		if line, ok := seen[key.Value]; ok {
			p.wrong(key, join(path, key.Value), fmt.Sprintf("duplicate key `%s`, first on line %d", key.Value, line), "keep one of them")
			continue
		}
		seen[key.Value] = key.Line
		each(key, value)
	}
}

func (p *parser) mapping(n *yaml.Node, v reflect.Value, path string, depth int) {
	fs := p.schema.of(v.Type())
	if !p.shape(n, yaml.MappingNode, path, "a mapping", "write its keys: "+strings.Join(names(fs), ", ")) {
		return
	}
	p.pairs(n, path, func(key, value *yaml.Node) {
		for _, f := range fs {
			if f.name == key.Value {
				p.value(value, v.FieldByIndex(f.index), join(path, f.name), f.one, depth+1)
				return
			}
		}
		p.unknown(key, path, fs)
	})
}

func (p *parser) unknown(key *yaml.Node, path string, fs []field) {
	text, next := "unknown key `"+key.Value+"`", "keys there are: "+strings.Join(names(fs), ", ")
	if near := nearestField(key.Value, fs); near != "" {
		text += ": did you mean `" + near + "`?"
		next = "write `" + near + "`, or remove it"
	}
	p.wrong(key, join(path, key.Value), text, next)
}

func nearestField(word string, fs []field) string {
	for _, f := range fs {
		for _, a := range f.also {
			if a == word {
				return f.name
			}
		}
	}
	return Nearest(word, names(fs))
}

func (p *parser) entries(n *yaml.Node, v reflect.Value, path string, depth int) {
	if !p.shape(n, yaml.MappingNode, path, "a mapping", "write name: value") {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	p.pairs(n, path, func(key, value *yaml.Node) {
		item := reflect.New(v.Type().Elem()).Elem()
		p.value(value, item, join(path, key.Value), nil, depth+1)
		v.SetMapIndex(reflect.ValueOf(key.Value), item)
	})
}

func (p *parser) list(n *yaml.Node, v reflect.Value, path string, one []string, depth int) {
	if !p.shape(n, yaml.SequenceNode, path, "a list", "write [a, b], or one `- item` a line") {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		p.value(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i), one, depth+1)
	}
}

func (p *parser) text(n *yaml.Node, v reflect.Value, path string, one []string) {
	if !p.shape(n, yaml.ScalarNode, path, "text", "write a single value") {
		return
	}
	text := n.Value
	if one != nil {
		text = shortGrant(text) // a grant type may be written as its URN
		if !slices.Contains(one, text) {
			p.choice(n, path, one)
			return
		}
	}
	v.SetString(text)
}

// choice notes a value that is none of those there are. Only one that is near is
// quoted, lest a secret on the wrong line be printed.
func (p *parser) choice(n *yaml.Node, path string, one []string) {
	what, _, _ := strings.Cut(last(path), "[")
	text := "not a value " + what + " can have"
	if near := Nearest(n.Value, one); near != "" {
		text = "`" + n.Value + "` is not a value " + what + " can have: did you mean `" + near + "`?"
	}
	p.wrong(n, path, text, "write one of: "+strings.Join(one, ", "))
}

func (p *parser) boolean(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode || n.Style != 0 || n.Value != "true" && n.Value != "false" {
		p.wrong(n, path, last(path)+" must be true or false", "write true or false, without quotes")
		return
	}
	v.SetBool(n.Value == "true")
}

func (p *parser) integer(n *yaml.Node, v reflect.Value, path string) {
	i, err := strconv.ParseInt(n.Value, 10, 64)
	if n.Kind != yaml.ScalarNode || n.Style != 0 || !digits(n.Value) || err != nil {
		p.wrong(n, path, last(path)+" must be a whole number", "write digits only, without quotes")
		return
	}
	v.SetInt(i)
}

func (p *parser) scalar(n *yaml.Node, s scalar, path string) {
	if !p.shape(n, yaml.ScalarNode, path, "a "+s.shape(), s.next()) {
		return
	}
	if wrong, ok := s.read(n.Value); !ok {
		p.wrong(n, path, last(path)+": "+wrong, s.next())
	}
}

// free reads a value whose shape the dialect defines: what JSON can say.
func (p *parser) free(n *yaml.Node, path string, depth int) (any, bool) {
	switch n.Kind {
	case yaml.MappingNode:
		var m map[string]any
		p.entries(n, reflect.ValueOf(&m).Elem(), path, depth)
		return m, true
	case yaml.SequenceNode:
		var l []any
		p.list(n, reflect.ValueOf(&l).Elem(), path, nil, depth)
		return l, true
	}
	switch n.ShortTag() {
	case "!!null":
		return nil, true
	case "!!bool":
		return strings.EqualFold(n.Value, "true"), true
	case "!!int", "!!float":
		x, ok := readNumber(n.Value)
		if !ok {
			p.wrong(n, path, last(path)+" is not a decimal number", "write it like 12, -3.5 or 1e6, or put it in quotes if it is text")
		}
		return x, ok
	}
	return n.Value, true // a date too: JSON has none
}
