package wire

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jeton/internal/oauth"
)

func TestFormRefusesWhatCanBeReadTwoWays(t *testing.T) {
	tests := []struct {
		name, body string
		code       oauth.Code
	}{
		{"param-01 two client_id", "client_id=a&client_id=b", oauth.InvalidRequest},
		{"param-01 two codes with one value", "code=a&x=1&code=a", oauth.InvalidRequest},
		{"param-01 the second encoded", "scope=a&sc%6fpe=b", oauth.InvalidRequest},
		{"param-01 one of them empty", "redirect_uri=&redirect_uri=b", oauth.InvalidRequest},
		{"param-09 NUL", "username=a%00b", oauth.InvalidRequest},
		{"param-09 raw NUL", "username=a\x00b", oauth.InvalidRequest},
		{"param-09 CR", "state=a%0Db", oauth.InvalidRequest},
		{"param-09 LF", "scope=a%0ab", oauth.InvalidRequest},
		{"param-09 raw newline at the end", "scope=a\n", oauth.InvalidRequest},
		{"param-09 control in a name", "sc%09ope=a", oauth.InvalidRequest},
		{"param-09 overlong UTF-8", "scope=%c0%af", oauth.InvalidRequest},
		{"param-09 surrogate in UTF-8", "scope=%ed%a0%80", oauth.InvalidRequest},
		{"param-09 Latin-1", "username=m\xfcller", oauth.InvalidRequest},
		{"param-09 Latin-1 in a name", "%fc=1", oauth.InvalidRequest},
		{"bad escape", "a=%zz", oauth.InvalidRequest},
		{"bad escape in a name", "%=1", oauth.InvalidRequest},
		{"cut escape", "a=%4", oauth.InvalidRequest},
		{"no name", "=b", oauth.InvalidRequest},
		{"long name", strings.Repeat("n", MaxName+1) + "=1", oauth.InvalidRequest},
		{"longest name", strings.Repeat("n", MaxName) + "=1", ""},
		{"empty", "", ""},
		{"only separators", "&&&", ""},
		{"no value", "a", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Form([]byte(tt.body))
			wantCode(t, err, tt.code)
			_, err = Query(tt.body)
			wantCode(t, err, tt.code)
		})
	}
}

func TestFormReadsValues(t *testing.T) {
	p, err := Form([]byte("grant_type=password&&scope=a+b%20c&empty=&bare&semi=1;x=2&eq=a=b&%C3%BC=%E2%82%AC"))
	wantCode(t, err, "")
	got := make(map[string]string)
	for _, name := range p.Names() {
		got[name] = p.Text(name)
	}
	want := map[string]string{
		"grant_type": "password", "scope": "a b c", "empty": "", "bare": "",
		"semi": "1;x=2", "eq": "a=b", "ü": "€",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"grant_type", "scope", "empty", "bare", "semi", "eq", "ü"}, p.Names()); d != "" {
		t.Error(d)
	}
	if p.Len() != 7 {
		t.Errorf("Len is %d", p.Len())
	}
}

func TestAnEmptyValueCountsAsAbsent(t *testing.T) {
	p, err := Form([]byte("client_secret=&client_id=a"))
	wantCode(t, err, "")
	if v, ok := p.Get("client_secret"); ok || v != "" {
		t.Errorf("Get gave %q, %v", v, ok)
	}
	if !p.Has("client_secret") || p.Has("other") {
		t.Error("Has does not tell presence")
	}
	if _, err := p.Need("client_secret"); oauth.AsRefusal(err).Param != "client_secret" {
		t.Errorf("Need: %v", err)
	}
	_, err = p.Need("other")
	wantCode(t, err, oauth.MissingParameter)
	if v, err := p.Need("client_id"); v != "a" || err != nil {
		t.Errorf("Need gave %q, %v", v, err)
	}
}

func TestRawParametersMayHoldLinesButNoNUL(t *testing.T) {
	p, err := Form([]byte("public_key=a%0D%0Ab&x=1"), "public_key")
	wantCode(t, err, "")
	if got := p.Text("public_key"); got != "a\r\nb" {
		t.Errorf("got %q", got)
	}
	_, err = Form([]byte("public_key=a%00b"), "public_key")
	wantCode(t, err, oauth.InvalidRequest)
	_, err = Query("other=a%0Ab", "public_key")
	wantCode(t, err, oauth.InvalidRequest)
}

func TestHTTP05ManyParametersAreRefusedFast(t *testing.T) {
	var b strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&b, "&p%d=1", i)
	}
	body := []byte(b.String())
	wantFast(t, func() {
		_, err := Form(body)
		wantCode(t, err, oauth.InvalidRequest)
	})
}

func TestAHundredParametersAreFineAndOneMoreIsNot(t *testing.T) {
	var b strings.Builder
	for i := range MaxParams {
		fmt.Fprintf(&b, "p%d=%d&", i, i)
	}
	p, err := Form([]byte(b.String()))
	wantCode(t, err, "")
	if p.Text("p99") != "99" {
		t.Error("the last parameter is lost")
	}
	_, err = Form([]byte(b.String() + "one=more"))
	wantCode(t, err, oauth.InvalidRequest)
}

func TestRefusalsQuoteNoValue(t *testing.T) {
	for _, body := range []string{"password=hunter%zz2", "password=hunter2&password=hunter3", "password=hunter2%00", "password=hunter2%ff"} {
		_, err := Form([]byte(body))
		if err == nil || strings.Contains(err.Error(), "hunter") || strings.Contains(err.Error(), "zz") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestARepeatedNameIsShownOnlyWhenPlain(t *testing.T) {
	_, err := Form([]byte("scope=a&scope=b"))
	if e := oauth.AsRefusal(err); e.Param != "scope" || e.Description != "parameter scope was given twice" {
		t.Errorf("got %+v", e)
	}
	_, err = Form([]byte("%3Cb%3E=a&%3Cb%3E=b"))
	if e := oauth.AsRefusal(err); e.Param != "" || strings.Contains(e.Description, "<") {
		t.Errorf("got %+v", e)
	}
}

func TestMergeLetsTheBodyWin(t *testing.T) {
	query, err := Query("grant_type=password&scope=q&only=q&state=q")
	wantCode(t, err, "")
	body, err := Form([]byte("scope=b&grant_type=&more=b&state=b"))
	wantCode(t, err, "")
	got := Merge(query, body)
	want := []param{{"scope", "b"}, {"grant_type", "password"}, {"more", "b"}, {"state", "b"}, {"only", "q"}}
	if d := cmp.Diff(want, got.list, cmp.AllowUnexported(param{})); d != "" {
		t.Error(d)
	}
	if body.Text("grant_type") != "" || query.Text("scope") != "q" {
		t.Error("Merge changed what it was given")
	}
	if d := cmp.Diff(body.list, Merge(Params{}, body).list, cmp.AllowUnexported(param{})); d != "" {
		t.Error(d)
	}
}

func TestParam02ANameInQueryAndBodyIsRefused(t *testing.T) {
	query, _ := Query("client_id=a")
	body, _ := Form([]byte("grant_type=x&client_id=b"))
	wantCode(t, Disjoint(query, body), oauth.InvalidRequest)
	other, _ := Query("trace=1")
	wantCode(t, Disjoint(other, body), "")
	wantCode(t, Disjoint(Params{}, body), "")
}

// FuzzForm holds the parser against net/url: what we accept, it reads the same
// (a raw semicolon, which it refuses, escaped first), and what is accepted
// survives encoding and parsing again.
func FuzzForm(f *testing.F) {
	for _, s := range []string{
		"grant_type=client_credentials&scope=a+b", "a=%41&b=%C3%BC", "a=1;b=2", "&&a", "a=&a=", "%", "a=%00", "=x", "a=b=c",
		"a=%0d%0a", "\xff=1", "+=+", "a=%ed%a0%80",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := Form(body)
		if err != nil {
			if e := oauth.AsRefusal(err); e.Code != oauth.InvalidRequest {
				t.Fatalf("refused with %s", e.Code)
			}
			return
		}
		ours := p.values()
		theirs, err := url.ParseQuery(strings.ReplaceAll(string(body), ";", "%3B"))
		if err != nil {
			t.Fatalf("net/url refuses it: %v", err)
		}
		if d := cmp.Diff(theirs, ours); d != "" {
			t.Fatalf("net/url reads it otherwise:\n%s", d)
		}
		again, err := Form([]byte(ours.Encode()))
		if err != nil {
			t.Fatalf("refused after encoding: %v", err)
		}
		if d := cmp.Diff(ours, again.values()); d != "" {
			t.Fatalf("changed by encoding:\n%s", d)
		}
	})
}

func (p Params) values() url.Values {
	v := make(url.Values)
	for _, q := range p.list {
		v.Add(q.name, q.value)
	}
	return v
}
