package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"swoon/scripting"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// The commands that talk to a running server. Each exits with 1 when it could
// not do what was asked, with a line that says why.

func reloadCommand(code *int) *cobra.Command {
	var socket string
	var tasks bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "reload app.lua",
		Short: "Load the script of a running server again, and wait for the outcome",
		Args:  scriptOrSocket(&socket, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := findOne(first(args), socket)
			if err != nil {
				return failed(cmd, code, err)
			}
			defer l.Close()
			a, err := l.ask(scripting.AdminRequest{Cmd: "reload", Tasks: tasks}, timeout)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = fmt.Errorf("the server (pid %d) has not finished within %v; it goes on with the reload", l.pid, timeout)
			} else if errors.Is(err, io.ErrUnexpectedEOF) {
				err = fmt.Errorf("the server (pid %d) ended", l.pid)
			}
			if err != nil {
				return failed(cmd, code, err)
			}
			if !a.Reload.OK {
				fmt.Fprintln(os.Stderr, a.Text)
				*code = exitScript
				return nil
			}
			fmt.Println(a.Text)
			return nil
		},
	}
	f := cmd.Flags()
	socketFlag(cmd, &socket)
	f.BoolVar(&tasks, "tasks", false, "the code of the task workers only")
	f.DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait for the outcome")
	return cmd
}

func stopCommand(code *int) *cobra.Command {
	var socket string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "stop app.lua",
		Short: "Stop a running server gracefully, and wait until it has gone",
		Args:  scriptOrSocket(&socket, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := findOne(first(args), socket)
			if err != nil {
				return failed(cmd, code, err)
			}
			defer l.Close()
			if err := stop(l, timeout, cmd.Flags().Changed("timeout")); err != nil {
				return failed(cmd, code, err)
			}
			return nil
		},
	}
	socketFlag(cmd, &socket)
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "how long to wait for it (default: a good while longer than its max_wait_time)")
	return cmd
}

// stop asks for a stop and waits for the end of the process.
func stop(l *link, timeout time.Duration, limited bool) error {
	// From before the question, so that the number cannot be another's.
	process := -1
	if l.pid > 0 {
		if fd, err := unix.PidfdOpen(l.pid, 0); err == nil {
			process = fd
			defer unix.Close(fd)
		}
	}
	a, err := l.ask(scripting.AdminRequest{Cmd: "stop"}, answerPatience)
	if errors.Is(err, io.ErrUnexpectedEOF) && process >= 0 {
		err = nil // it has ended, or does, before it could answer
	}
	if err != nil {
		return err
	}
	if !limited {
		timeout = 2*time.Duration(a.Within*float64(time.Second)) + 30*time.Second
	}
	late := fmt.Errorf("the server (pid %d) has not ended within %v; it goes on stopping, see swoon status", l.pid, timeout)
	end := time.Now().Add(timeout)
	last, err := scripting.ReadAnswer(l, l.in, max(timeout, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return late
	} // any other error: it ended without a word
	for gone := false; !gone; {
		left := time.Until(end)
		if left <= 0 {
			return late
		}
		if process < 0 { // it is not of our kind of pids: its end of the connection says when
			l.SetReadDeadline(end)
			_, err := l.in.ReadByte()
			gone = !errors.Is(err, os.ErrDeadlineExceeded)
			continue
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(process), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if err != nil && err != unix.EINTR {
			return err
		}
		gone = n > 0
	}
	fmt.Printf("stopped (pid %d)\n", l.pid)
	for _, line := range last.Cut {
		fmt.Println("  cut short: " + line)
	}
	return nil
}

func statusCommand(code *int) *cobra.Command {
	var socket string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status [app.lua]",
		Short: "Say what a running server does, or all servers of this user",
		Args:  scriptOrSocket(&socket, 0),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := find(first(args), socket)
			if err != nil {
				return failed(cmd, code, err)
			}
			for i, l := range list {
				defer l.Close()
				a, err := l.ask(scripting.AdminRequest{Cmd: "status"}, answerPatience)
				switch {
				case err != nil:
					failed(cmd, code, fmt.Errorf("the server (pid %d, %s) does not say: %w", l.pid, l.path, err))
				case asJSON:
					line, err := json.Marshal(a.Status)
					if err != nil {
						return failed(cmd, code, err)
					}
					fmt.Println(string(line))
				default:
					if i > 0 {
						fmt.Println()
					}
					printStatus(os.Stdout, a.Status)
				}
			}
			return nil
		},
	}
	socketFlag(cmd, &socket)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object for each server, one on a line")
	return cmd
}

func socketFlag(cmd *cobra.Command, socket *string) {
	cmd.Flags().StringVar(socket, "socket", "", "the server's control socket, instead of looking for it by the script")
}

// scriptOrSocket wants one script, and at least least of script and socket.
func scriptOrSocket(socket *string, least int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) > 1:
			return fmt.Errorf("one script at a time; usage: %s", cmd.UseLine())
		case len(args) == 1 && *socket != "":
			return fmt.Errorf("a script or --socket, not both; usage: %s", cmd.UseLine())
		case len(args) < least && *socket == "":
			return fmt.Errorf("which script? usage: %s", cmd.UseLine())
		}
		return nil
	}
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// failed says why a command could not do what it was asked.
func failed(cmd *cobra.Command, code *int, err error) error {
	fmt.Fprintf(os.Stderr, "swoon %s: %v\n", cmd.Name(), err)
	*code = exitScript
	return nil
}
