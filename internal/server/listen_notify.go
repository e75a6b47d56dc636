package server

import (
	"net"
	"strings"
)

// Notify tells the service manager what the server does, where there is one:
// "READY=1", "STOPPING=1" (sd_notify(3)). address is NOTIFY_SOCKET. Nobody waits
// for an answer, and a manager that cannot be told is no reason to stop.
func Notify(address, state string) {
	if address == "" {
		return
	}
	if rest, abstract := strings.CutPrefix(address, "@"); abstract {
		address = "\x00" + rest
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		return
	}
	_, _ = c.Write([]byte(state))
	_ = c.Close()
}
