package wire

import (
	"strconv"

	"jeton/internal/oauth"
)

// Object is a JSON object: members in the order they came, each name once. The
// zero value is empty. One that JSONFold made finds names in any ASCII case.
type Object struct {
	members []member
	fold    bool
}

type member struct {
	name  string
	value Value
}

type kind uint8

const (
	kindNone kind = iota // the zero Value: no such member
	kindNull
	kindBool
	kindNumber
	kindString
	kindArray
	kindObject
)

// Value is one JSON value. The zero Value stands for none at all: every question
// about it is answered no.
type Value struct {
	kind   kind
	raw    string // as it stood in the body
	text   string // decoded string
	items  []Value
	object Object
}

// Get finds the member of exactly that name, or in any case when JSONFold made
// the object.
func (o Object) Get(name string) (Value, bool) {
	if o.fold {
		return o.Fold(name)
	}
	for i := range o.members {
		if o.members[i].name == name {
			return o.members[i].value, true
		}
	}
	return Value{}, false
}

// Fold finds the member whose name equals name but for the case of ASCII letters.
// Where two do, it finds none: which one counts must not depend on their order.
func (o Object) Fold(name string) (Value, bool) {
	found := -1
	for i := range o.members {
		if equalFold(o.members[i].name, name) {
			if found >= 0 {
				return Value{}, false
			}
			found = i
		}
	}
	if found < 0 {
		return Value{}, false
	}
	return o.members[found].value, true
}

// Has reports whether there is such a member, null included.
func (o Object) Has(name string) bool { _, ok := o.Get(name); return ok }

// Names lists the member names in the order they came.
func (o Object) Names() []string {
	out := make([]string, len(o.members))
	for i := range o.members {
		out[i] = o.members[i].name
	}
	return out
}

// Text is the string member name. Absent or null it is not present; any other
// type is refused as InvalidRequest. An empty string is present.
func (o Object) Text(name string) (text string, present bool, err error) {
	v, ok := o.Get(name)
	if !ok || v.IsNull() {
		return "", false, nil
	}
	if text, ok = v.Text(); !ok {
		return "", true, wrongType(name, "a string")
	}
	return text, true, nil
}

// Texts is the member name that is an array of strings, by the rules of Text.
func (o Object) Texts(name string) (texts []string, present bool, err error) {
	v, ok := o.Get(name)
	if !ok || v.IsNull() {
		return nil, false, nil
	}
	items, ok := v.Array()
	if !ok {
		return nil, true, wrongType(name, "an array of strings")
	}
	texts = make([]string, len(items))
	for i, item := range items {
		if texts[i], ok = item.Text(); !ok {
			return nil, true, wrongType(name, "an array of strings")
		}
	}
	return texts, true, nil
}

// Params reads the named string members as if a form had brought them, for
// endpoints that take both. Other members are ignored; a named one that is no
// string, or holds CR or LF, is InvalidRequest.
func (o Object) Params(names ...string) (Params, error) {
	p := Params{list: make([]param, 0, len(names))}
	for _, name := range names {
		text, present, err := o.Text(name)
		if err != nil {
			return Params{}, err
		}
		if !present {
			continue
		}
		if !isLine(text) {
			return Params{}, unusable(name)
		}
		p.list = append(p.list, param{name, text})
	}
	return p, nil
}

func wrongType(name, want string) error {
	e := oauth.Refuse(oauth.InvalidRequest, name+" must be "+want)
	e.Param = name
	return e
}

// Text is the value of a string.
func (v Value) Text() (string, bool) { return v.text, v.kind == kindString }

// Int is the value of a number written as a plain integer within 64 bits: 1, not
// 1.0 and not 1e0.
func (v Value) Int() (int64, bool) {
	if v.kind != kindNumber {
		return 0, false
	}
	n, err := strconv.ParseInt(v.raw, 10, 64)
	return n, err == nil
}

// Bool is the value of true or false.
func (v Value) Bool() (value, ok bool) { return v.raw == "true", v.kind == kindBool }

// Object is the value of an object.
func (v Value) Object() (Object, bool) { return v.object, v.kind == kindObject }

// Array is the value of an array.
func (v Value) Array() ([]Value, bool) { return v.items, v.kind == kindArray }

// IsNull reports whether the value is null; an absent one is not.
func (v Value) IsNull() bool { return v.kind == kindNull }

// Raw is a copy of the value as it stood in the body, space within included.
func (v Value) Raw() []byte { return []byte(v.raw) }
