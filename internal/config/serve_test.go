package config

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestPlainHTTPIsServedOnLoopbackOnly(t *testing.T) {
	err := CheckListen("0.0.0.0:8420", "", nil, "")
	want := "error: will not serve plain http on 0.0.0.0:8420; passwords would cross the network readable\n" +
		"next:  add --tls self-signed, or --tls-cert/--tls-key, or --behind-proxy CIDR if a proxy ends TLS"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	for _, c := range []struct {
		listen, tls string
		proxy       []string
		public      string
		ok          bool
	}{
		{"127.0.0.1:8420", "", nil, "", true},
		{"127.8.9.1:0", TLSOff, nil, "", true},
		{"[::1]:8420", "", nil, "http://localhost:8420", true},
		{"localhost:8420", "", nil, "", true},
		{"[::ffff:127.0.0.1]:80", "", nil, "", true},
		{":8420", "", nil, "", false},
		{"[::]:8420", "", nil, "", false},
		{"10.0.0.1:8420", TLSOff, nil, "https://login.example.com", false},
		{"login.example.com:8420", "", nil, "", false},
		{"127.0.0.1.example.com:80", "", nil, "", false},
		{":8443", TLSSelfSigned, nil, "", true},
		{":8443", TLSFiles, nil, "https://login.example.com", true},
		{":8443", TLSFiles, nil, "http://localhost:8443", false},
		{":8420", "", []string{"10.0.0.0/8"}, "https://login.example.com", true},
		{":8420", "", []string{"10.0.0.0/8"}, "http://login.example.com", false},
		{":8420", "", []string{"0.0.0.0/0"}, "", false},
		{":8420", "", []string{"proxy"}, "", false},
		{"8420", "", nil, "", false},
		{"127.0.0.1:http", "", nil, "", false},
		{"127.0.0.1:99999", "", nil, "", false},
		{"127.0.0.1:80", "", nil, "ftp://x", false},
		{"127.0.0.1:80", "", nil, "https://", false},
		{"127.0.0.1:80", "", nil, "https://a@b", false},
		{"127.0.0.1:80", "", nil, "https://b?q", false},
		{"127.0.0.1:80", "", nil, "https://b#f", false},
	} {
		err := CheckListen(c.listen, c.tls, c.proxy, c.public)
		if (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
		var u *UsageError
		if err != nil && (!errors.As(err, &u) || u.Text == "" || u.Next == "" || strings.Count(err.Error(), "\n") != 1) {
			t.Errorf("%+v: not two lines: %v", c, err)
		}
	}
}

func TestTheZeroServeIsUsable(t *testing.T) {
	var s Serve
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	s = s.WithDefaults(env("HOME", "/home/ada"))
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	keep := DefaultAuditRetention
	want := Serve{Listen: "127.0.0.1:8420", PublicURL: "http://127.0.0.1:8420", Data: "/home/ada/.local/share/jeton", TLS: TLSOff,
		Database: "/home/ada/.local/share/jeton/jeton.db", KEKFile: "/home/ada/.local/share/jeton/kek", AuditRetention: &keep}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Error(diff)
	}
}

func TestTheDataFolderFollowsTheMachine(t *testing.T) {
	for _, c := range []struct {
		want string
		env  []string
	}{
		{"/var/lib/jeton", []string{"STATE_DIRECTORY", "/var/lib/jeton:/var/lib/other", "XDG_DATA_HOME", "/x"}},
		{"/x/jeton", []string{"XDG_DATA_HOME", "/x", "HOME", "/h"}},
		{"/h/.local/share/jeton", []string{"XDG_DATA_HOME", "relative", "HOME", "/h"}},
	} {
		if got := DataDir(env(c.env...)); got != c.want {
			t.Errorf("%v: %s, want %s", c.env, got, c.want)
		}
	}
}

func TestFlagsGoBeforeVariablesBeforeTheFile(t *testing.T) {
	file, ps := ParseServe("jeton.yaml", []byte("listen: 127.0.0.1:1\nlog_level: debug\naudit_retention: never\nbehind_proxy: [10.0.0.0/8]\n"))
	if len(ps) > 0 {
		t.Fatal(lines(ps))
	}
	vars, err := ServeFromEnv(env("JETON_LISTEN", "127.0.0.1:2", "JETON_LOG_LEVEL", "error", "JETON_READERS", "4",
		"JETON_DATABASE_FILE", "/run/secrets/db", "JETON_BEHIND_PROXY", "10.0.0.4, 10.0.0.5/32"),
		func(string) ([]byte, error) { return []byte("postgres://u:p@h/db\n"), nil })
	if err != nil {
		t.Fatal(err)
	}
	got := Serve{Listen: "127.0.0.1:3"}.Over(vars).Over(file)
	never := Seconds(0)
	want := Serve{Listen: "127.0.0.1:3", LogLevel: "error", Readers: 4, Database: "postgres://u:p@h/db", AuditRetention: &never, BehindProxy: []string{"10.0.0.4", "10.0.0.5/32"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if p, err := got.Proxies(); err != nil || len(p) != 2 || p[0].String() != "10.0.0.4/32" {
		t.Errorf("proxies: %v, %v", p, err)
	}
}

func TestSettingsThatCannotBeAreRefused(t *testing.T) {
	for _, s := range []Serve{
		{TLSCert: "c"}, {TLSKey: "k"}, {TLS: TLSFiles}, {TLS: TLSSelfSigned, TLSCert: "c", TLSKey: "k"},
		{TLS: "on"}, {LogLevel: "loud"}, {LogFormat: "xml"}, {Metrics: "9090"}, {Readers: -1}, {Writers: -1}, {BehindProxy: []string{"x"}},
	} {
		var u *UsageError
		if err := s.Check(); !errors.As(err, &u) || u.Next == "" {
			t.Errorf("%+v: %v", s, err)
		}
	}
	missing := func(string) ([]byte, error) { return nil, fs.ErrNotExist }
	for _, pair := range [][2]string{
		{"JETON_READERS", "-1"}, {"JETON_READERS", "x"}, {"JETON_TLS", "on"}, {"JETON_AUDIT_RETENTION", "soon"}, {"JETON_DATABASE_FILE", "/x"},
	} {
		if _, err := ServeFromEnv(env(pair[0], pair[1]), missing); err == nil {
			t.Errorf("%v: want an error", pair)
		}
	}
	if _, ps := ParseServe("f", []byte("lisen: x\n")); len(ps) != 1 || !strings.Contains(ps[0].Text, "did you mean `listen`?") {
		t.Error(lines(ps))
	}
	if _, ps := ParseServe("f", nil); len(ps) != 0 {
		t.Errorf("an empty file is all defaults:\n%s", lines(ps))
	}
}

func TestOutgoingNamesNetworksAndNeverAll(t *testing.T) {
	for _, x := range []struct {
		list []string
		want string // of the error
		nets []string
	}{
		{nil, "", nil},
		{[]string{"10.20.0.0/16", "fd00::/8", "127.0.0.1"}, "", []string{"10.20.0.0/16", "fd00::/8", "127.0.0.1/32"}},
		{[]string{"10.20.3.4/16"}, "", []string{"10.20.0.0/16"}},
		{[]string{"0.0.0.0/0"}, "error: --outgoing 0.0.0.0/0 would let whoever registers a URL call everything this machine reaches", nil},
		{[]string{"10.0.0.1", "::/0"}, "error: --outgoing ::/0 would let", nil},
		{[]string{"app.example"}, "error: --outgoing app.example is not a network", nil},
		{[]string{"fe80::1%eth0"}, "error: --outgoing fe80::1%eth0 is not a network", nil},
	} {
		s := Serve{Outgoing: x.list}
		nets, err := s.OutgoingNetworks()
		if x.want != "" {
			if err == nil || !strings.HasPrefix(err.Error(), x.want) || s.Check() == nil {
				t.Errorf("%v: %v", x.list, err)
			}
			continue
		}
		var got []string
		for _, n := range nets {
			got = append(got, n.String())
		}
		if err != nil || s.Check() != nil || !cmp.Equal(got, x.nets) {
			t.Errorf("%v: %v %v", x.list, got, err)
		}
	}
}
