package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// daemonize: a process cannot leave its terminal once it has threads, so swoon
// starts itself again, in a session of its own. The first one waits until the
// second has started: what goes wrong until then is told on the terminal, and
// the exit code says it. The directory stays what it is, and relative paths so
// keep their meaning.

// daemonMark is the variable in which the second process finds the pipe to the
// first.
const daemonMark = "SWOON_DAEMON_FD"

// daemon is the second process's way to tell the first that it has started. A
// nil one is no daemon.
type daemon struct{ started *os.File }

// asDaemon says whether this process is the second one.
func asDaemon() *daemon {
	text := os.Getenv(daemonMark)
	os.Unsetenv(daemonMark) // what this process starts is none
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil
	}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return nil
	}
	unix.CloseOnExec(fd)
	return &daemon{os.NewFile(uintptr(fd), "started")}
}

// detach starts the second process and waits until it has started. It returns
// the exit code.
func detach() int {
	fail := func(err error) int {
		fmt.Fprintf(os.Stderr, "swoon: daemonize: %v\n", err)
		return exitScript
	}
	if os.Getenv("LISTEN_FDS") != "" {
		return fail(errors.New("the sockets that systemd has opened are for this process alone: let systemd keep it in the foreground"))
	}
	self, err := os.Executable()
	if err != nil {
		return fail(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return fail(err)
	}
	defer r.Close()
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), daemonMark+"=3")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr // until it has started
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	if err := cmd.Start(); err != nil {
		w.Close()
		return fail(err)
	}
	w.Close()
	go func() { // Ctrl-C while it starts
		for s := range signals {
			cmd.Process.Signal(s)
		}
	}()
	if n, _ := r.Read(make([]byte, 1)); n == 1 {
		return exitOK
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil: // stopped while it started
		return exitOK
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode()
	}
	return fail(err)
}

// ready lets go of the terminal and tells the first process. What the process
// itself writes, a crash at worst, goes to the log file from now on, or nowhere.
func (d *daemon) ready(log *logFile) error {
	if d == nil {
		return nil
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	redirect := func(f *os.File, fds ...int) {
		for _, fd := range fds {
			unix.Dup3(int(f.Fd()), fd, 0)
		}
	}
	redirect(null, 0, 1, 2)
	log.onOpen(func(f *os.File) { redirect(f, 1, 2) })
	_, err = d.started.Write([]byte{1})
	d.started.Close()
	return err
}

// prints is where the script's output goes.
func (d *daemon) prints(log *logFile) io.Writer {
	if d == nil {
		return os.Stdout
	}
	return toLog{log}
}

// toLog is the output of a daemon: the log file, if there is one.
type toLog struct{ *logFile }

func (l toLog) Write(b []byte) (int, error) {
	if l.onTerminal() {
		return len(b), nil
	}
	return l.logFile.Write(b)
}
