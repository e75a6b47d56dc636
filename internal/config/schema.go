package config

import (
	"reflect"
	"strings"
)

// field is one key of a mapping, as the struct tags say.
type field struct {
	name    string
	index   []int
	also    []string // other words people write for it: RFC 7591's and vendors'
	one     []string // the values there are; nil = any
	def     string   // default, in words
	env     string   // environment variable, for the server's settings
	meaning string
	typ     reflect.Type
}

// fields lists the keys of struct t in their order; embedded structs count as
// written out.
func fields(t reflect.Type) []field {
	var out []field
	for _, f := range reflect.VisibleFields(t) {
		name, ok := f.Tag.Lookup("yaml")
		if !ok || name == "-" {
			continue
		}
		out = append(out, field{
			name: name, index: f.Index, typ: f.Type,
			also: words(f.Tag.Get("also"), ","), one: words(f.Tag.Get("one"), " "),
			def: f.Tag.Get("default"), env: f.Tag.Get("env"), meaning: f.Tag.Get("doc"),
		})
	}
	return out
}

// schema remembers the fields of each type for one document: reading the tags
// costs more than reading an entry.
type schema map[reflect.Type][]field

func (s schema) of(t reflect.Type) []field {
	fs, ok := s[t]
	if !ok {
		fs = fields(t)
		s[t] = fs
	}
	return fs
}

func words(s, sep string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, sep)
}

func names(fs []field) []string {
	out := make([]string, len(fs))
	for i, f := range fs {
		out[i] = f.name
	}
	return out
}

// Field is one line of the reference that documentation is generated from.
type Field struct {
	Name    string   // path: clients[].access_token.life, organizations[].settings.*.*
	Type    string   // text, whole number, true or false, duration, time, list of …, mapping, anything
	One     []string // the values there are; nil = any
	Default string   // in words, "" = none
	Env     string   // environment variable, "" = none
	Meaning string
}

// Reference describes every key of the configuration file, in its order.
func Reference() []Field { return describe(reflect.TypeFor[File](), "") }

// ServeReference describes every setting of the server process.
func ServeReference() []Field { return describe(reflect.TypeFor[Serve](), "") }

func describe(t reflect.Type, prefix string) []Field {
	var out []Field
	for _, f := range fields(t) {
		name := prefix + f.name
		out = append(out, Field{name, typeName(f.typ), f.one, f.def, f.env, f.meaning})
		inner, mark := f.typ, ""
		if isScalar(inner) {
			continue
		}
		switch inner.Kind() {
		case reflect.Slice:
			inner, mark = inner.Elem(), "[]"
		case reflect.Pointer:
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			out = append(out, describe(inner, name+mark+".")...)
		}
	}
	return out
}

// isScalar reports whether t, or what it points to, has a text form of its own.
func isScalar(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Int64 && reflect.PointerTo(t).Implements(reflect.TypeFor[scalar]())
}

func typeName(t reflect.Type) string {
	if isScalar(t) {
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		return reflect.New(t).Interface().(scalar).shape()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "whole number"
	case reflect.Slice:
		return "list of " + typeName(t.Elem())
	case reflect.Map:
		if t.Elem().Kind() == reflect.Map {
			return "mapping of mappings"
		}
		return "mapping"
	case reflect.Struct:
		return "mapping"
	}
	return "anything"
}
