package cli

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"jeton/internal/config"
	"jeton/internal/server"
)

// HealthcheckCmd asks the server of this machine whether it is alive.
type HealthcheckCmd struct {
	transportFlags
	Config string `setting:"no" placeholder:"FILE" help:"YAML file of settings the server was started with."`
}

// Examples implements exampler.
func (*HealthcheckCmd) Examples() []string {
	return []string{
		"jeton healthcheck",
		"jeton healthcheck --listen 0.0.0.0:8420 --tls self-signed",
	}
}

// healthWait bounds the question.
const healthWait = 5 * time.Second

// Run exits with 0 when the server answers, and with 1 when it does not.
func (c *HealthcheckCmd) Run(env *Env) error {
	s, err := load(env, c.over(config.Serve{}, env), c.Config)
	if err != nil {
		return err
	}
	s = s.WithDefaults(env.Getenv)
	url := healthURL(s)
	// It asks whether the process is alive and sends nothing, so whoever answers for
	// the certificate's names does not matter here.
	client := &http.Client{Timeout: healthWait, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
	}}
	req, err := http.NewRequestWithContext(env.Ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(req)
	if err != nil {
		return fail(ExitFailed, "jeton serve, or name the address with --listen", "no server answers at %s", url)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fail(ExitFailed, "look into the server's log", "%s answered %s", url, answer.Status)
	}
	_, err = fmt.Fprintln(env.Stdout, "ok")
	return err
}

func healthURL(s config.Serve) string {
	host, port, err := net.SplitHostPort(s.Listen)
	if ip, bad := netip.ParseAddr(host); err == nil && (host == "" || bad == nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
		if ip.Is6() {
			host = "::1"
		}
	}
	scheme := "http"
	if s.TLS != config.TLSOff {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + "/healthz"
}

// CACmd prints where the server's own certificate authority is.
type CACmd struct {
	Data   string `placeholder:"DIR"`
	Config string `setting:"no" placeholder:"FILE" help:"YAML file of settings the server was started with."`
}

// Examples implements exampler.
func (*CACmd) Examples() []string {
	return []string{
		`curl --cacert "$(jeton ca)" https://localhost:8420/healthz`,
		`openssl x509 -in "$(jeton ca)" -noout -fingerprint -sha256`,
	}
}

// Exits implements exiter.
func (*CACmd) Exits() []int { return []int{ExitNotFound} }

// Run prints the path and nothing else.
func (c *CACmd) Run(env *Env) error {
	s, err := load(env, config.Serve{Data: env.Path(c.Data)}, c.Config)
	if err != nil {
		return err
	}
	path := server.CAPath(tlsDir(s.WithDefaults(env.Getenv)))
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fail(ExitNotFound, "jeton serve --tls self-signed", "there is no certificate authority in %s", tilde(env, filepath.Dir(path)))
	}
	_, err = fmt.Fprintln(env.Stdout, path)
	return err
}

// tlsDir is the folder of the server's own certificates.
func tlsDir(s config.Serve) string { return filepath.Join(s.Data, "tls") }
