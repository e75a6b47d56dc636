package server

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Holder names the process that listens on a TCP port of this machine, like
// "nginx (process 812)"; "" when that cannot be known, as on systems without /proc
// or for another user's process.
func Holder(port uint16) string {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if inode := listener(table, port); inode != "" {
			if name := owner(inode); name != "" {
				return name
			}
		}
	}
	return ""
}

// listening is the state of a listener in the kernel's table (proc(5)).
const listening = "0A"

// listener finds the inode of the socket that listens on port.
func listener(table string, port uint16) string {
	f, err := os.Open(table)
	if err != nil {
		return ""
	}
	defer f.Close()
	suffix := fmt.Sprintf(":%04X", port)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		x := strings.Fields(lines.Text())
		if len(x) > 9 && strings.HasSuffix(x[1], suffix) && x[3] == listening {
			return x[9]
		}
	}
	return ""
}

// owner finds the process that has the socket open.
func owner(inode string) string {
	want := "socket:[" + inode + "]"
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*") // its one error is a bad pattern
	for _, link := range links {
		if to, err := os.Readlink(link); err != nil || to != want {
			continue
		}
		pid := strings.Split(link, "/")[2]
		name, err := os.ReadFile("/proc/" + pid + "/comm")
		if _, bad := strconv.Atoi(pid); bad != nil || err != nil {
			return ""
		}
		return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), pid)
	}
	return ""
}
