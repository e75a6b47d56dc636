package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"jeton/internal/config"
	"jeton/internal/vault"
)

// placeFlags say which server a command of this machine means.
type placeFlags struct {
	Data     string `placeholder:"DIR"`
	Database string `placeholder:"FILE|URL" help:"File of the embedded database, or postgres://…; a password belongs into JETON_DATABASE or the file JETON_DATABASE_FILE names."`
	KEKFile  string `name:"kek-file" placeholder:"FILE" otherwise:"$CREDENTIALS_DIRECTORY/kek, $XDG_CONFIG_HOME/jeton/kek or ~/.config/jeton/kek" help:"File of the key that encrypts signing keys in the database; made when there is none. JETON_KEK holds the key itself."`
	Config   string `setting:"no" placeholder:"FILE" help:"YAML file of settings; flags and JETON_* variables go before it."`
}

// transportFlags say how requests reach the server.
type transportFlags struct {
	Listen      string   `placeholder:"ADDR:PORT"`
	PublicURL   string   `name:"public-url" placeholder:"URL"`
	TLS         string   `name:"tls" placeholder:"HOW"`
	TLSCert     string   `name:"tls-cert" placeholder:"FILE"`
	TLSKey      string   `name:"tls-key" placeholder:"FILE"`
	BehindProxy []string `name:"behind-proxy" placeholder:"CIDR"`
}

func (f placeFlags) settings(env *Env) config.Serve {
	s := config.Serve{Data: env.Path(f.Data), Database: f.Database, KEKFile: env.Path(f.KEKFile)}
	if !remote(f.Database) {
		s.Database = env.Path(f.Database)
	}
	return s
}

func (f transportFlags) over(s config.Serve, env *Env) config.Serve {
	s.Listen, s.PublicURL, s.TLS = f.Listen, f.PublicURL, f.TLS
	s.TLSCert, s.TLSKey, s.BehindProxy = env.Path(f.TLSCert), env.Path(f.TLSKey), f.BehindProxy
	return s
}

// load lays flags over variables over the file. Defaults come later, for the port
// may not be known yet.
func load(env *Env, flags config.Serve, file string) (config.Serve, error) {
	fromEnv, err := config.ServeFromEnv(env.Getenv, os.ReadFile)
	if err != nil {
		return config.Serve{}, err
	}
	s := flags.Over(fromEnv)
	if file != "" {
		text, err := os.ReadFile(env.Path(file))
		if err != nil {
			return config.Serve{}, fail(ExitUsage, "name a readable file with --config", "the settings could not be read: %v", err)
		}
		fromFile, problems := config.ParseServe(file, text)
		if len(problems) > 0 {
			p := problems[0]
			return config.Serve{}, fail(ExitUsage, p.Next, "%s", strings.SplitN(p.String(), "\n", 2)[0])
		}
		s = s.Over(fromFile)
	}
	if s.Metrics != "" {
		return config.Serve{}, fail(ExitUsage, "leave the setting out", "this version has no metrics listener")
	}
	s.KEKFile = first(s.KEKFile, defaultKEK(env, s.Data))
	return s, s.Check()
}

func first(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// defaultKEK keeps the key apart from the database, so that a backup of the data
// folder alone opens nothing: a credential of the service manager, or the folder
// for configuration. Without either it is in the data folder.
func defaultKEK(env *Env, data string) string {
	if dir := env.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		if path := filepath.Join(dir, "kek"); exists(path) {
			return path
		}
	}
	if dir := env.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "jeton", "kek")
	}
	if home := env.Getenv("HOME"); home != "" && env.Getenv("STATE_DIRECTORY") == "" {
		return filepath.Join(home, ".config", "jeton", "kek")
	}
	return filepath.Join(first(data, config.DataDir(env.Getenv)), "kek")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// openKEK reads the key-encryption key. A new one is made only for a new database:
// the old one's secrets are sealed with the key that is missing. undo removes a key
// that was made and never came into use.
func openKEK(env *Env, s config.Serve) (kek vault.KEK, undo func(), err error) {
	undo = func() {}
	if text := env.Getenv("JETON_KEK"); text != "" {
		if kek, err = vault.KEKFromText(text); err != nil {
			return kek, undo, fail(ExitUsage, "set it to the output of: openssl rand -base64 32", "JETON_KEK: %v", err)
		}
		return kek, undo, nil
	}
	if !remote(s.Database) && exists(s.Database) && !exists(s.KEKFile) {
		return kek, undo, fail(ExitFailed, "restore it from its backup, or name it with --kek-file",
			"the key file %s is missing, and the database %s cannot be opened without it", s.KEKFile, s.Database)
	}
	if err := os.MkdirAll(filepath.Dir(s.KEKFile), 0o700); err != nil {
		return kek, undo, fail(ExitFailed, "name another file with --kek-file", "the folder of the key file could not be made: %v", err)
	}
	kek, created, err := vault.LoadKEK(s.KEKFile)
	if err != nil {
		return kek, undo, keyFileError(s.KEKFile, err)
	}
	if created {
		undo = func() { _ = os.Remove(s.KEKFile) }
	}
	return kek, undo, nil
}

func keyFileError(path string, err error) error {
	if info, stat := os.Stat(path); stat == nil && info.Mode().Perm()&0o077 != 0 {
		return fail(ExitFailed, "chmod 600 "+path, "others may read the key file %s (mode %04o)", path, info.Mode().Perm())
	}
	if errors.Is(err, fs.ErrPermission) {
		return fail(ExitFailed, "run as the user who owns it, or name another file with --kek-file", "%v", err)
	}
	return fail(ExitFailed, "restore it from its backup", "%v", err)
}

// remote tells a database server from a file.
func remote(database string) bool {
	return strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://")
}

const masked = "xxxxx"

// shownDatabase is a database as it may be printed: without its password.
func shownDatabase(env *Env, database string) string {
	if !remote(database) {
		return tilde(env, database)
	}
	u, err := url.Parse(database)
	if err != nil {
		return "postgres://" + masked
	}
	q := u.Query()
	for name := range q {
		if strings.Contains(strings.ToLower(name), "pass") {
			q.Set(name, masked)
		}
	}
	u.RawQuery = q.Encode()
	return u.Redacted()
}

// scrub takes the passwords of a database out of an error's text, as a driver may
// quote what it could not parse.
func scrub(database string, err error) error {
	if !remote(database) {
		return err
	}
	text := err.Error()
	for _, secret := range databaseSecrets(database) {
		text = strings.ReplaceAll(text, secret, masked)
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

func databaseSecrets(database string) []string {
	list := []string{database}
	u, err := url.Parse(database)
	if err != nil { // no URL: whatever stands before the @ is suspect
		_, rest, _ := strings.Cut(database, "://")
		if login, _, ok := strings.Cut(rest, "@"); ok {
			_, password, _ := strings.Cut(login, ":")
			list = append(list, password)
		}
		return solid(list)
	}
	if password, ok := u.User.Password(); ok {
		list = append(list, password, url.QueryEscape(password), url.PathEscape(password))
	}
	for name, values := range u.Query() {
		if strings.Contains(strings.ToLower(name), "pass") {
			list = append(list, values...)
		}
	}
	return solid(list)
}

func solid(list []string) []string {
	var out []string
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// passwordShown reports whether a password stands in the arguments, where every
// user of the machine can read it.
func passwordShown(database string) bool {
	return remote(database) && len(databaseSecrets(database)) > 1
}

// tilde shortens a path below the home folder, for people.
func tilde(env *Env, path string) string {
	if rest, ok := strings.CutPrefix(path, env.Getenv("HOME")+"/"); ok && env.Getenv("HOME") != "" {
		return "~/" + rest
	}
	return path
}

// databaseError words what went wrong while the database was opened.
func databaseError(env *Env, s config.Serve, err error) error {
	err = scrub(s.Database, err)
	next := "check " + tilde(env, s.Data) + ", or name another folder with --data"
	if remote(s.Database) {
		next = "check that the database runs and lets this user in"
	}
	return fail(ExitFailed, next, "%s", fmt.Sprintf("the database %s could not be opened: %v", shownDatabase(env, s.Database), err))
}
