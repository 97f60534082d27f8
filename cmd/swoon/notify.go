package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"swoon/scripting"

	"golang.org/x/sys/unix"
)

// notifier tells systemd, or who speaks like it, how the server is: the socket
// of sd_notify(3). A nil one tells nobody.
type notifier struct {
	conn  net.Conn
	log   *slog.Logger
	every time.Duration // of the watchdog; 0: there is none
}

// newNotifier reads the environment, and takes out of it what it reads: what
// this process starts does not speak for it.
func newNotifier(log *slog.Logger) *notifier {
	path := os.Getenv("NOTIFY_SOCKET")
	every := watchdogInterval(os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID"), os.Getpid())
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		os.Unsetenv(name)
	}
	if path == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		log.Warn("nobody is told how the server is", "NOTIFY_SOCKET", path, "error", err)
		return nil
	}
	return &notifier{conn, log, every}
}

// send sends lines of the form NAME=value.
func (n *notifier) send(lines ...string) {
	if n == nil {
		return
	}
	if _, err := n.conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		n.log.Warn("NOTIFY_SOCKET", "error", err)
	}
}

// status is a scripting.Options.Status.
func (n *notifier) status(s scripting.Status, text string) {
	text, _, _ = strings.Cut(text, "\n")
	switch s {
	case scripting.Ready:
		n.send("READY=1", "STATUS="+text)
	case scripting.Reloading:
		n.send("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", monotonic()), "STATUS="+text)
	case scripting.Stopping:
		n.send("STOPPING=1", "STATUS="+text)
	}
}

// monotonic is CLOCK_MONOTONIC in microseconds.
func monotonic() int64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return 0
	}
	return t.Nano() / 1000
}

// keepAlive feeds systemd's watchdog, if there is one, for as long as alive
// says that the server is, given a time in which to find out.
func (n *notifier) keepAlive(alive func(time.Duration) bool) {
	if n == nil || n.every == 0 {
		return
	}
	go func() {
		for tick := time.NewTicker(n.every); ; <-tick.C {
			if alive(n.every) {
				n.send("WATCHDOG=1")
			} else {
				n.log.Error("no worker answers: the watchdog is not told that the server is alive")
			}
		}
	}()
}

// watchdogInterval is how often the watchdog is told, and how long a worker may
// take to answer: a third each of the time after which it loses patience. 0:
// there is none for this process.
func watchdogInterval(usec, pid string, self int) time.Duration {
	n, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || n <= 0 || pid != "" && pid != strconv.Itoa(self) {
		return 0
	}
	return time.Duration(n) * time.Microsecond / 3
}
