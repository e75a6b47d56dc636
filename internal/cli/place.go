package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"jeton/internal/config"
	"jeton/internal/server"
)

// dataDir is the data folder a command means: its flag, JETON_DATA, the default.
func dataDir(env *Env, flag string) string {
	for _, dir := range []string{flag, env.Getenv("JETON_DATA")} {
		if dir != "" {
			return env.Path(dir)
		}
	}
	return config.DataDir(env.Getenv)
}

// adminSocket is the path of the admin socket of the server that uses a data
// folder. Whether a server answers there is found out by connecting.
func adminSocket(data string) string { return server.SocketPath(data) }

// demoPointer is the file in which a running demo names its data folder, so that
// commands in another terminal find it.
func demoPointer(env *Env) string {
	if dir := env.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "jeton-demo")
	}
	if dir := env.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "jeton", "demo")
	}
	return filepath.Join(env.Getenv("HOME"), ".cache", "jeton", "demo")
}

// demoData is the data folder of the demo that is running, "" when none is.
func demoData(env *Env) string {
	b, err := os.ReadFile(demoPointer(env))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// sockets are the admin sockets a command may try, best first: of the named data
// folder alone, or else of a running demo, then of the default folder.
func sockets(env *Env, dataFlag string) []string {
	named := dataFlag != "" || env.Getenv("JETON_DATA") != ""
	var list []string
	if demo := demoData(env); demo != "" && !named {
		list = append(list, adminSocket(demo))
	}
	return append(list, adminSocket(dataDir(env, dataFlag)))
}

// privateDir makes a folder only its owner can enter, and refuses one that others
// can: the database and the keys below it would be theirs too.
func privateDir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fail(ExitFailed, "name a folder you may write to with --data", "the folder %s could not be made: %v", path, err)
	}
	return private(path, "folder", 0o700)
}

// private refuses a file or folder that others may read.
func private(path, what string, want os.FileMode) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	if info.Mode().Perm()&0o077 == 0 || runtime.GOOS == "windows" {
		return nil
	}
	return fail(ExitFailed, fmt.Sprintf("chmod %o %s", want, path),
		"others may read the %s %s (mode %04o)", what, path, info.Mode().Perm())
}
