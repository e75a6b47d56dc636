package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Serve is the settings of the server process. The zero value serves plain http
// on loopback with the embedded database. Values come from flags, then JETON_*
// variables, then a file, then defaults: Over lays one over the next.
type Serve struct {
	Listen    string `yaml:"listen" env:"JETON_LISTEN" default:"127.0.0.1:8420" doc:"address and port requests arrive at"`
	PublicURL string `yaml:"public_url" env:"JETON_PUBLIC_URL" default:"the listen address" doc:"URL clients and browsers use; the issuer of tokens"`
	Data      string `yaml:"data" env:"JETON_DATA" default:"$STATE_DIRECTORY, $XDG_DATA_HOME/jeton or ~/.local/share/jeton" doc:"folder of the embedded database, keys and certificates"`
	Database  string `yaml:"database" env:"JETON_DATABASE" default:"embedded, in the data folder" doc:"file of the embedded database, or postgres://…"`
	Readers   int    `yaml:"readers" env:"JETON_READERS" default:"chosen for the engine" doc:"database connections that read"`
	Writers   int    `yaml:"writers" env:"JETON_WRITERS" default:"chosen for the engine" doc:"database connections that write; the embedded one has one"`
	KEKFile   string `yaml:"kek_file" env:"JETON_KEK_FILE" default:"kek in the configuration folder, apart from the data" doc:"file of the key that encrypts signing keys in the database"`

	TLS         string   `yaml:"tls" env:"JETON_TLS" one:"off self-signed files" default:"off; files when tls_cert is set" doc:"how this process ends TLS"`
	TLSCert     string   `yaml:"tls_cert" env:"JETON_TLS_CERT" doc:"certificate chain, PEM"`
	TLSKey      string   `yaml:"tls_key" env:"JETON_TLS_KEY" doc:"private key of the certificate, PEM"`
	BehindProxy []string `yaml:"behind_proxy" env:"JETON_BEHIND_PROXY" doc:"networks (CIDR) of proxies that end TLS and whose X-Forwarded-For is believed"`
	Outgoing    []string `yaml:"outgoing" env:"JETON_OUTGOING" default:"none; loopback while only loopback reaches the server" doc:"networks (CIDR) outside of the public Internet that registered URLs may point into"`

	LogLevel  string `yaml:"log_level" env:"JETON_LOG_LEVEL" one:"debug info warn error" default:"info; warn on a terminal" doc:"least severe log line written"`
	LogFormat string `yaml:"log_format" env:"JETON_LOG_FORMAT" one:"text json" default:"json; text on a terminal" doc:"form of log lines"`
	Metrics   string `yaml:"metrics" env:"JETON_METRICS" default:"off" doc:"address and port of the /metrics listener"`

	AuditRetention *Seconds `yaml:"audit_retention" env:"JETON_AUDIT_RETENTION" default:"365d" doc:"how long audit records are kept; never = for good"`
}

// How this process ends TLS.
const (
	TLSOff        = "off"
	TLSSelfSigned = "self-signed"
	TLSFiles      = "files"
)

// The defaults that do not depend on the machine.
const (
	DefaultListen         = "127.0.0.1:8420"
	DefaultAuditRetention = Seconds(365 * 86400)
)

// UsageError is a setting that cannot be, with what to do about it. It prints as
// two lines, "error:" and "next:".
type UsageError struct{ Text, Next string }

// Error is the two lines an operator reads.
func (e *UsageError) Error() string { return "error: " + e.Text + "\nnext:  " + e.Next }

func usage(text, next string) error { return &UsageError{text, next} }

// Over is s with what it leaves unset taken from lower.
func (s Serve) Over(lower Serve) Serve {
	over, under := reflect.ValueOf(&s).Elem(), reflect.ValueOf(lower)
	for i := range over.NumField() {
		if over.Field(i).IsZero() {
			over.Field(i).Set(under.Field(i))
		}
	}
	return s
}

// ServeFromEnv reads the JETON_* variables. Where a variable NAME is unset and
// NAME_FILE names a file, the value is that file's, so that a database password
// need not be in the environment. Lists are separated by commas.
func ServeFromEnv(getenv func(string) string, readFile func(string) ([]byte, error)) (Serve, error) {
	var s Serve
	v := reflect.ValueOf(&s).Elem()
	for _, f := range fields(v.Type()) {
		text := getenv(f.env)
		if file := getenv(f.env + "_FILE"); text == "" && file != "" {
			b, err := readFile(file)
			if err != nil {
				return Serve{}, usage(f.env+"_FILE could not be read: "+err.Error(), "name a readable file, or set "+f.env)
			}
			text = strings.TrimSpace(string(b))
		}
		if text == "" {
			continue
		}
		if err := setText(v.FieldByIndex(f.index), f, text); err != nil {
			return Serve{}, err
		}
	}
	return s, nil
}

func setText(v reflect.Value, f field, text string) error {
	if f.one != nil && !slices.Contains(f.one, text) {
		return usage(f.env+" has a value it cannot have", "set it to one of: "+strings.Join(f.one, ", "))
	}
	switch {
	case v.Kind() == reflect.Pointer:
		var s Seconds
		if wrong, ok := s.read(text); !ok {
			return usage(f.env+": "+wrong, s.next())
		}
		v.Set(reflect.ValueOf(&s))
	case v.Kind() == reflect.Slice:
		for _, part := range strings.Split(text, ",") {
			v.Set(reflect.Append(v, reflect.ValueOf(strings.TrimSpace(part))))
		}
	case v.Kind() == reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return usage(f.env+" must be a whole number", "set it to digits only")
		}
		v.SetInt(int64(n))
	default:
		v.SetString(text)
	}
	return nil
}

// WithDefaults fills in what is unset. getenv finds the data folder.
func (s Serve) WithDefaults(getenv func(string) string) Serve {
	s.Listen = or(s.Listen, DefaultListen)
	s.Data = or(s.Data, DataDir(getenv))
	s.KEKFile = or(s.KEKFile, filepath.Join(s.Data, "kek"))
	s.Database = or(s.Database, filepath.Join(s.Data, "jeton.db"))
	if s.TLS == "" {
		s.TLS = TLSOff
		if s.TLSCert != "" || s.TLSKey != "" {
			s.TLS = TLSFiles
		}
	}
	if s.PublicURL == "" {
		s.PublicURL = s.address()
	}
	s.PublicURL = strings.TrimRight(s.PublicURL, "/")
	if s.AuditRetention == nil {
		keep := DefaultAuditRetention
		s.AuditRetention = &keep
	}
	return s
}

// address is the URL of the listener itself; for all interfaces, of loopback.
func (s Serve) address() string {
	scheme := "http"
	if s.TLS != TLSOff {
		scheme = "https"
	}
	h, port, err := net.SplitHostPort(s.Listen)
	if err != nil {
		return ""
	}
	if ip, err := netip.ParseAddr(h); h == "" || err == nil && ip.IsUnspecified() {
		h = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(h, port)
}

// DataDir is the folder for data: that of systemd, of XDG, or of the home folder.
func DataDir(getenv func(string) string) string {
	if dir := getenv("STATE_DIRECTORY"); dir != "" {
		first, _, _ := strings.Cut(dir, ":") // several are separated by colons (systemd.exec)
		return first
	}
	if dir := getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "jeton")
	}
	return filepath.Join(getenv("HOME"), ".local", "share", "jeton")
}

// Check finds the first setting that cannot be; the error is a *UsageError.
func (s Serve) Check() error {
	if err := s.checkTLS(); err != nil {
		return err
	}
	if _, err := s.Proxies(); err != nil {
		return err
	}
	if _, err := s.OutgoingNetworks(); err != nil {
		return err
	}
	if s.Metrics != "" {
		if _, err := listenHost(s.Metrics, "--metrics"); err != nil {
			return err
		}
	}
	if s.Readers < 0 || s.Writers < 0 {
		return usage("readers and writers cannot be negative", "leave them out: the engine's own numbers are good")
	}
	for _, f := range fields(reflect.TypeOf(s)) {
		v := reflect.ValueOf(s).FieldByIndex(f.index)
		if f.one != nil && v.String() != "" && !slices.Contains(f.one, v.String()) {
			return usage(fmt.Sprintf("%s cannot be %q", f.name, v.String()), "use one of: "+strings.Join(f.one, ", "))
		}
	}
	return CheckListen(or(s.Listen, DefaultListen), s.tls(), s.BehindProxy, s.PublicURL)
}

func (s Serve) tls() string {
	if s.TLS == "" && s.TLSCert != "" {
		return TLSFiles
	}
	return s.TLS
}

func (s Serve) checkTLS() error {
	switch {
	case (s.TLSCert == "") != (s.TLSKey == ""):
		return usage("--tls-cert and --tls-key belong together, and one is missing", "give both, or use --tls self-signed")
	case s.TLS == TLSFiles && s.TLSCert == "":
		return usage("--tls files needs a certificate", "add --tls-cert and --tls-key")
	case s.TLSCert != "" && s.TLS != "" && s.TLS != TLSFiles:
		return usage("--tls "+s.TLS+" does not use --tls-cert and --tls-key", "remove them, or use --tls files")
	}
	return nil
}

// Proxies is BehindProxy as networks.
func (s Serve) Proxies() ([]netip.Prefix, error) { return proxies(s.BehindProxy) }

func proxies(list []string) ([]netip.Prefix, error) {
	return networks(list, "--behind-proxy", "would believe every address on the network", "name the proxies only, such as 10.0.0.4/32")
}

// OutgoingNetworks is Outgoing as networks.
func (s Serve) OutgoingNetworks() ([]netip.Prefix, error) {
	return networks(s.Outgoing, "--outgoing", "would let whoever registers a URL call everything this machine reaches", "name the clients' networks only, such as 10.20.0.0/16")
}

// networks reads a flag's list of networks; a single address is one, too. all says
// what is wrong with the network of all addresses, and next what to do about it.
func networks(list []string, flag, all, next string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range list {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			ip, err := netip.ParseAddr(text)
			if err != nil || ip.Zone() != "" {
				return nil, usage(fmt.Sprintf("%s %s is not a network", flag, text), "write it like 10.0.0.0/8 or 10.0.0.4")
			}
			p = netip.PrefixFrom(ip, ip.BitLen())
		}
		if p.Bits() == 0 {
			return nil, usage(fmt.Sprintf("%s %s %s", flag, text, all), next)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// CheckListen refuses to serve where passwords would cross a network readable:
// plain http anywhere but on loopback, unless a proxy ends TLS. tls is the TLS
// mode, "" = off; publicURL may be empty.
func CheckListen(listen, tls string, behindProxy []string, publicURL string) error {
	local, err := listenHost(listen, "--listen")
	if err != nil {
		return err
	}
	if _, err := proxies(behindProxy); err != nil {
		return err
	}
	plain := tls == "" || tls == TLSOff
	if plain && !local && len(behindProxy) == 0 {
		return usage("will not serve plain http on "+listen+"; passwords would cross the network readable",
			"add --tls self-signed, or --tls-cert/--tls-key, or --behind-proxy CIDR if a proxy ends TLS")
	}
	return checkPublicURL(publicURL, plain)
}

// listenHost reports whether an address to listen at is this machine's loopback.
func listenHost(listen, flag string) (local bool, err error) {
	h, port, err := net.SplitHostPort(listen)
	_, bad := strconv.ParseUint(port, 10, 16) // 0 asks for any free port
	if err != nil || bad != nil {
		return false, usage(fmt.Sprintf("%s %s is not an address and port", flag, listen), "write it like "+DefaultListen)
	}
	return loopback(h), nil
}

func checkPublicURL(s string, plain bool) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return usage("the public URL is not an http or https URL", "write it like https://login.example.com")
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#") {
		// OpenID Connect Discovery §3: an issuer has no query and no fragment.
		return usage("the public URL has more than scheme, host, port and path", "write it like https://login.example.com")
	}
	switch {
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return usage("the public URL "+s+" is plain http; passwords would cross the network readable",
			"use https://"+u.Host+", with TLS here or at a proxy")
	case u.Scheme == "http" && !plain:
		return usage("the public URL is http, but this server speaks https", "write https://"+u.Host)
	}
	return nil
}
