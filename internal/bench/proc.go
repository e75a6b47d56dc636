package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/PID/stat: sysconf(_SC_CLK_TCK), which is 100
// on every Linux Go runs on.
const tick = 10 * time.Millisecond

// Proc is a running process by its id, read from /proc.
type Proc int

// CPU is the processor time the process has used, in user and kernel mode.
func (p Proc) CPU() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", int(p)))
	if err != nil {
		return 0, fmt.Errorf("bench: processor time: %w", err)
	}
	return parseStat(b)
}

// parseStat reads utime and stime, the 14th and 15th fields (proc(5)). The second
// field may hold spaces and ends with the last parenthesis.
func parseStat(b []byte) (time.Duration, error) {
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 13 {
		return 0, fmt.Errorf("bench: processor time: %d fields", len(f))
	}
	var sum time.Duration
	for _, text := range f[11:13] {
		n, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("bench: processor time: %w", err)
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// RSS is the memory the process has resident, in bytes.
func (p Proc) RSS() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", int(p)))
	if err != nil {
		return 0, fmt.Errorf("bench: memory: %w", err)
	}
	return parseRSS(string(b))
}

func parseRSS(status string) (int64, error) {
	_, rest, ok := strings.Cut(status, "VmRSS:")
	f := strings.Fields(rest)
	if !ok || len(f) < 2 || f[1] != "kB" {
		return 0, fmt.Errorf("bench: memory: no VmRSS")
	}
	n, err := strconv.ParseInt(f[0], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("bench: memory: %w", err)
	}
	return n << 10, nil
}
