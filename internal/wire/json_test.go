package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jeton/internal/oauth"
)

func TestJSONTakesOneStrictObject(t *testing.T) {
	tests := []struct {
		name, body string
		code       oauth.Code
	}{
		{"empty object", "{}", ""},
		{"space around", " \t\r\n{ \"a\" : [ 1 , 2 ] } \n", ""},
		{"all kinds", `{"a":null,"b":true,"c":false,"d":-0.5e+10,"e":"x","f":[],"g":{}}`, ""},
		{"escapes", `{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}`, ""},
		{"same name in two objects", `{"a":{"x":1},"b":{"x":2}}`, ""},
		{"names that differ in case", `{"a":1,"A":2}`, ""},

		{"param-04 repeated name", `{"username":"bob","username":"alice"}`, oauth.InvalidRequest},
		{"param-04 repeated name, escaped", `{"username":"bob","user\u006eame":"alice"}`, oauth.InvalidRequest},
		{"param-04 repeated name further in", `{"a":[{"b":1,"b":1}]}`, oauth.InvalidRequest},

		{"param-05 two objects", `{}{}`, oauth.MalformedBody},
		{"param-05 trailing letters", `{}xyz`, oauth.MalformedBody},
		{"param-05 trailing NUL", "{}\x00", oauth.MalformedBody},
		{"param-05 byte order mark", "\ufeff{}", oauth.MalformedBody},
		{"param-05 comment before", `/*a*/{}`, oauth.MalformedBody},
		{"param-05 comment after", `{} // a`, oauth.MalformedBody},
		{"trailing comma", `{"a":1,}`, oauth.MalformedBody},
		{"trailing comma in an array", `{"a":[1,]}`, oauth.MalformedBody},
		{"no-break space", "\u00a0{}", oauth.MalformedBody},

		{"param-09 bytes that are not UTF-8", "{\"a\":\"\xff\"}", oauth.MalformedBody},
		{"param-09 overlong UTF-8", "{\"a\":\"\xc0\xaf\"}", oauth.MalformedBody},
		{"param-09 raw control", "{\"a\":\"x\ny\"}", oauth.MalformedBody},
		{"param-09 raw control after an escape", "{\"a\":\"\\n\x01\"}", oauth.MalformedBody},
		{"param-09 escaped NUL", `{"a":"x\u0000"}`, oauth.MalformedBody},
		{"high surrogate alone", `{"a":"\ud83d"}`, oauth.MalformedBody},
		{"param-09 bytes that are not UTF-8 in a name", "{\"\xff\":1}", oauth.MalformedBody},
		{"param-09 bytes that are not UTF-8 after an escape", "{\"a\":\"\\n\xff\"}", oauth.MalformedBody},
		{"param-09 a rune torn by an escape", "{\"a\":\"\xc3\\u00e9\"}", oauth.MalformedBody},
		{"param-09 bytes that are not UTF-8 between values", "{\"a\":1\xff}", oauth.MalformedBody},
		{"high surrogate before bad hexadecimal", `{"a":"\ud83d\u00g0"}`, oauth.MalformedBody},
		{"low surrogate alone", `{"a":"\ude00"}`, oauth.MalformedBody},
		{"two high surrogates", `{"a":"\ud83d\ud83d"}`, oauth.MalformedBody},
		{"high surrogate before a letter", `{"a":"\ud83dx"}`, oauth.MalformedBody},

		{"array", `[]`, oauth.MalformedBody},
		{"string", `"a"`, oauth.MalformedBody},
		{"null", `null`, oauth.MalformedBody},
		{"text", `grant_type=password`, oauth.MalformedBody},
		{"cut object", `{`, oauth.MalformedBody},
		{"cut name", `{"a`, oauth.MalformedBody},
		{"cut after the name", `{"a"`, oauth.MalformedBody},
		{"cut after the colon", `{"a":`, oauth.MalformedBody},
		{"cut string", `{"a":"b`, oauth.MalformedBody},
		{"cut escape", `{"a":"\`, oauth.MalformedBody},
		{"cut hexadecimal", `{"a":"\u00`, oauth.MalformedBody},
		{"cut array", `{"a":[1`, oauth.MalformedBody},
		{"no comma", `{"a":1 "b":2}`, oauth.MalformedBody},
		{"bare name", `{a:1}`, oauth.MalformedBody},
		{"single quotes", `{'a':1}`, oauth.MalformedBody},
		{"unknown escape", `{"a":"\x41"}`, oauth.MalformedBody},
		{"NUL for an escape", "{\"a\":\"\\\x00\"}", oauth.MalformedBody},
		{"bad hexadecimal", `{"a":"\u00g0"}`, oauth.MalformedBody},
		{"capital U", `{"a":"\U0041"}`, oauth.MalformedBody},
		{"half a word", `{"a":tru}`, oauth.MalformedBody},
		{"word with a tail", `{"a":nulls}`, oauth.MalformedBody},
		{"leading zero", `{"a":01}`, oauth.MalformedBody},
		{"plus sign", `{"a":+1}`, oauth.MalformedBody},
		{"bare minus", `{"a":-}`, oauth.MalformedBody},
		{"bare point", `{"a":1.}`, oauth.MalformedBody},
		{"point first", `{"a":.5}`, oauth.MalformedBody},
		{"bare exponent", `{"a":1e}`, oauth.MalformedBody},
		{"NaN", `{"a":NaN}`, oauth.MalformedBody},
		{"hexadecimal number", `{"a":0x1}`, oauth.MalformedBody},

		{"param-06 longest number", `{"a":` + strings.Repeat("1", MaxNumber) + `}`, ""},
		{"param-06 longest number with exponent", `{"a":-1.` + strings.Repeat("1", MaxNumber-5) + `e5}`, ""},
		{"param-06 number too long", `{"a":` + strings.Repeat("1", MaxNumber+1) + `}`, oauth.InvalidRequest},
		{"param-06 fraction too long", `{"a":0.` + strings.Repeat("1", MaxNumber) + `}`, oauth.InvalidRequest},
		{"param-06 exponent too long", `{"a":1e` + strings.Repeat("1", MaxNumber) + `}`, oauth.InvalidRequest},
		{"param-06 exponent over the edge", `{"a":` + strings.Repeat("1", MaxNumber-1) + `e1}`, oauth.InvalidRequest},
		{"param-06 deepest", nest(MaxDepth-1, "[", "]"), ""},
		{"param-06 too deep", nest(MaxDepth, "[", "]"), oauth.InvalidRequest},
		{"param-06 too deep by objects", nest(MaxDepth, `{"a":`, "}"), oauth.InvalidRequest},
		{"param-06 most members", "{" + members(MaxMembers) + "}", ""},
		{"param-06 too many members", "{" + members(MaxMembers+1) + "}", oauth.InvalidRequest},
		{"param-06 most values", `{"a":[` + commas(MaxValues-2) + `]}`, ""},
		{"param-06 too many values", `{"a":[` + commas(MaxValues-1) + `]}`, oauth.InvalidRequest},
		{"param-06 long name", `{"` + strings.Repeat("n", MaxName+1) + `":1}`, oauth.InvalidRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := JSON([]byte(tt.body))
			wantCode(t, err, tt.code)
		})
	}
}

func nest(n int, open, end string) string {
	return `{"a":` + strings.Repeat(open, n) + "1" + strings.Repeat(end, n) + `}`
}

func members(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`"m%d":1`, i)
	}
	return strings.Join(list, ",")
}

func commas(n int) string { return strings.Repeat("1,", n-1) + "1" }

func TestParam06BulkIsRefusedInTime(t *testing.T) {
	tests := map[string]string{
		"10k nested arrays":    `{"a":` + strings.Repeat("[", 10_000),
		"1M nested arrays":     `{"a":` + strings.Repeat("[", 1_000_000),
		"1M nested objects":    strings.Repeat(`{"a":`, 1_000_000),
		"1M members":           "{" + members(1_000_000) + "}",
		"100k digits":          `{"a":` + strings.Repeat("9", 100_000) + "}",
		"1M digits of a float": `{"a":0.` + strings.Repeat("9", 1_000_000) + "}",
		"1M empty arrays":      `{"a":[` + strings.Repeat("[],", 1_000_000) + "1]}",
		"1M spaces, no end":    `{"a":` + strings.Repeat(" ", 1_000_000),
		"100k escapes, no end": `{"a":"` + strings.Repeat(`\n`, 100_000),
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			wantFast(t, func() {
				if _, err := JSON([]byte(body)); err == nil {
					t.Error("accepted")
				}
			})
		})
	}
}

func TestAnEmptyBodyIsToldApartFromACutOne(t *testing.T) {
	for _, body := range []string{"", " \n\t"} {
		_, err := JSON([]byte(body))
		wantCode(t, err, oauth.MalformedBody)
		if !errors.Is(err, ErrEmpty) {
			t.Errorf("%q: %v", body, err)
		}
	}
	for _, body := range []string{"{", "x", "[]", "\ufeff"} {
		if _, err := JSON([]byte(body)); err == nil || errors.Is(err, ErrEmpty) {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestMessagesOfTheParserSayWhereAndQuoteNothing(t *testing.T) {
	tests := map[string]string{
		`{"refresh_token":hunter2}`:  "byte 17 of the JSON text is not a value",
		`{"refresh_token":"hunter2`:  "the JSON text ends where a closing quote should be",
		`{"refresh_token" "hunter2"`: "byte 17 of the JSON text is not a colon",
		`{"a":1} hunter2`:            "byte 8 of the JSON text is not the end of the text",
	}
	for body, want := range tests {
		_, err := JSON([]byte(body))
		if e := oauth.AsRefusal(err); e.Description != want || strings.Contains(e.Error(), "hunter2") {
			t.Errorf("%s: %v", body, e)
		}
	}
}

func TestValuesAnswerForTheirTypeOnly(t *testing.T) {
	o, err := JSON([]byte(`{"text":"a\u00e9\n","int":-42,"real":1.0,"exp":1e2,"big":9223372036854775808,"yes":true,"no":false,"nil":null,"list":["a",1],"obj":{"x":"y"}}`))
	wantCode(t, err, "")
	get := func(name string) Value { v, _ := o.Get(name); return v }
	if s, ok := get("text").Text(); !ok || s != "aé\n" {
		t.Errorf("text is %q, %v", s, ok)
	}
	if n, ok := get("int").Int(); !ok || n != -42 {
		t.Errorf("int is %d, %v", n, ok)
	}
	for _, name := range []string{"real", "exp", "big", "text", "nil", "absent"} {
		if n, ok := get(name).Int(); ok {
			t.Errorf("%s is the integer %d", name, n)
		}
	}
	yes, okYes := get("yes").Bool()
	no, okNo := get("no").Bool()
	if !yes || !okYes || no || !okNo {
		t.Error("booleans misread")
	}
	if !get("nil").IsNull() || get("absent").IsNull() {
		t.Error("null misread")
	}
	if list, ok := get("list").Array(); !ok || len(list) != 2 {
		t.Errorf("list is %v, %v", list, ok)
	}
	inner, ok := get("obj").Object()
	if x, _ := inner.Get("x"); !ok || x.text != "y" {
		t.Error("object misread")
	}
	if got := string(get("list").Raw()); got != `["a",1]` {
		t.Errorf("raw list is %s", got)
	}
	if got := string(get("text").Raw()); got != `"a\u00e9\n"` {
		t.Errorf("raw text is %s", got)
	}
	for _, name := range []string{"int", "absent", "nil"} {
		v := get(name)
		_, text := v.Text()
		_, boolean := v.Bool()
		_, object := v.Object()
		_, array := v.Array()
		if text || boolean || object || array {
			t.Errorf("%s answers for another type", name)
		}
	}
	if d := cmp.Diff([]string{"text", "int", "real", "exp", "big", "yes", "no", "nil", "list", "obj"}, o.Names()); d != "" {
		t.Error(d)
	}
}

func TestTextMembers(t *testing.T) {
	o, err := JSON([]byte(`{"s":"x","e":"","n":null,"i":1,"a":["x","y"],"m":["x",1],"o":{}}`))
	wantCode(t, err, "")
	tests := []struct {
		name, text string
		present    bool
		code       oauth.Code
	}{
		{"s", "x", true, ""},
		{"e", "", true, ""},
		{"n", "", false, ""},
		{"absent", "", false, ""},
		{"i", "", true, oauth.InvalidRequest},
		{"a", "", true, oauth.InvalidRequest},
		{"o", "", true, oauth.InvalidRequest},
	}
	for _, tt := range tests {
		text, present, err := o.Text(tt.name)
		if text != tt.text || present != tt.present || (err == nil) != (tt.code == "") || err != nil && oauth.AsRefusal(err).Param != tt.name {
			t.Errorf("%s: %q, %v, %v", tt.name, text, present, err)
		}
	}
	if texts, present, err := o.Texts("a"); err != nil || !present || !cmp.Equal(texts, []string{"x", "y"}) {
		t.Errorf("Texts: %q, %v, %v", texts, present, err)
	}
	for _, name := range []string{"m", "s", "o"} {
		if _, _, err := o.Texts(name); !oauth.Is(err, oauth.InvalidRequest) {
			t.Errorf("Texts of %s: %v", name, err)
		}
	}
	if _, present, err := o.Texts("n"); present || err != nil {
		t.Errorf("Texts of null: %v, %v", present, err)
	}
}

func TestParamsOfAnObjectAreItsNamedStrings(t *testing.T) {
	o, err := JSON([]byte(`{"grant_type":"password","password":"","other":[1],"n":null,"lines":"a\nb","number":1}`))
	wantCode(t, err, "")
	p, err := o.Params("password", "grant_type", "n", "absent")
	wantCode(t, err, "")
	if d := cmp.Diff([]string{"password", "grant_type"}, p.Names()); d != "" || p.Text("grant_type") != "password" {
		t.Errorf("%v %s", p, d)
	}
	for _, name := range []string{"other", "lines", "number"} {
		if _, err := o.Params(name); !oauth.Is(err, oauth.InvalidRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFoldedObjectsHaveNoCase(t *testing.T) {
	o, err := JSONFold([]byte(`{"clientID":"a","Inner":{"X":"b"}}`))
	wantCode(t, err, "")
	if s, ok, err := o.Text("ClientId"); s != "a" || !ok || err != nil {
		t.Errorf("got %q, %v, %v", s, ok, err)
	}
	v, _ := o.Get("INNER")
	inner, _ := v.Object()
	if s, _, _ := inner.Text("x"); s != "b" {
		t.Errorf("inner is %q", s)
	}
	for _, body := range []string{`{"ClientId":"a","clientid":"b"}`, `{"a":[{"x":1,"X":1}]}`, `{"a":1,"a":1}`} {
		_, err := JSONFold([]byte(body))
		wantCode(t, err, oauth.InvalidRequest)
	}
	if _, err := JSONFold([]byte(`{"k":1,"` + "\u212a" + `":2}`)); err != nil {
		t.Errorf("the Kelvin sign counts as k: %v", err)
	}
}

func TestFoldOnAnExactObjectRefusesToChoose(t *testing.T) {
	o, err := JSON([]byte(`{"a":1,"A":2,"B":3}`))
	wantCode(t, err, "")
	if _, ok := o.Fold("a"); ok {
		t.Error("one of two members was chosen")
	}
	if v, ok := o.Fold("b"); !ok || v.raw != "3" {
		t.Error("b was not found")
	}
	if _, ok := o.Fold("c"); ok {
		t.Error("c was found")
	}
	if _, ok := o.Get("b"); ok || o.Has("b") || !o.Has("B") {
		t.Error("Get ignores case on an exact object")
	}
}

func TestJSONArrayTakesOneArray(t *testing.T) {
	items, err := JSONArray([]byte(` ["a",{"b":1}] `))
	if err != nil || len(items) != 2 {
		t.Fatalf("%v, %v", items, err)
	}
	for _, body := range []string{`{}`, `[1][2]`, `[1`, `1`, ``} {
		_, err := JSONArray([]byte(body))
		wantCode(t, err, oauth.MalformedBody)
	}
}

// FuzzJSON holds the parser against encoding/json: what we accept it accepts,
// with the same values, and so what it refuses we refuse.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":[1,-0,1e9,null,true,"x\u00e9\ud83d\ude00"],"b":{"c":"\n"}}`, `{"a":1,"a":2}`, `{"a":"\ud800"}`,
		`{"a":01}`, `{} {}`, "\ufeff{}", `{"a":"\u0000"}`, `[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]`, `{"A":1,"a":2}`, ``,
		`{"a":"\"\\\/\b\f\n\r\t"}`, `{"a":1.5E-3}`, "{\"\u2028\":\"\u2029\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := JSON(body)
		if err != nil {
			if e := oauth.AsRefusal(err); e.Code != oauth.MalformedBody && e.Code != oauth.InvalidRequest {
				t.Fatalf("refused with %s", e.Code)
			}
			return
		}
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.UseNumber()
		var theirs map[string]any
		if err := dec.Decode(&theirs); err != nil || !json.Valid(body) {
			t.Fatalf("encoding/json refuses it: %v", err)
		}
		if !reflect.DeepEqual(theirs, o.plain()) {
			t.Fatalf("encoding/json reads it otherwise:\n%s", cmp.Diff(theirs, o.plain()))
		}
		checkRaw(t, Value{kind: kindObject, object: o})
		if folded, err := JSONFold(body); err == nil {
			if !reflect.DeepEqual(theirs, folded.plain()) {
				t.Fatalf("JSONFold reads it otherwise:\n%s", cmp.Diff(theirs, folded.plain()))
			}
		}
	})
}

// plain is the object as encoding/json would give it.
func (o Object) plain() map[string]any {
	out := make(map[string]any, len(o.members))
	for _, m := range o.members {
		out[m.name] = m.value.plain()
	}
	return out
}

func (v Value) plain() any {
	switch v.kind {
	case kindBool:
		b, _ := v.Bool()
		return b
	case kindNumber:
		return json.Number(v.raw)
	case kindString:
		return v.text
	case kindArray:
		out := make([]any, len(v.items))
		for i, item := range v.items {
			out[i] = item.plain()
		}
		return out
	case kindObject:
		return v.object.plain()
	}
	return nil
}

// checkRaw checks that the raw text of each member is that member's value.
func checkRaw(t *testing.T, v Value) {
	t.Helper()
	for _, m := range v.object.members {
		dec := json.NewDecoder(bytes.NewReader(m.value.Raw()))
		dec.UseNumber()
		var got any
		if err := dec.Decode(&got); err != nil {
			t.Fatalf("raw text %q: %v", m.value.raw, err)
		}
		if !reflect.DeepEqual(got, m.value.plain()) {
			t.Fatalf("raw text %q differs from the value:\n%s", m.value.raw, cmp.Diff(got, m.value.plain()))
		}
		checkRaw(t, m.value)
	}
}
