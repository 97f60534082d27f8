// Command swoon serves network clients with a Lua script.
//
// This package reads flags, wires the parts together and handles signals;
// what they do lies in engine, scripting and stdlib.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"swoon/engine"
	"swoon/scripting"
	"swoon/stdlib/swoole"

	"github.com/spf13/cobra"
)

// version is set by the build.
var version = "dev"

// Exit codes, as the manual names them.
const (
	exitOK        = 0
	exitScript    = 1 // the script or its settings are wrong
	exitUsage     = 2 // bad command line
	exitListen    = 3 // cannot listen
	exitCutShort  = 4 // the drain was cut short
	exitForced    = 4 // a second signal
	exitException = 1
)

func main() {
	swoole.Version = version
	code := exitOK
	root := commands(&code)
	// swoon app.lua is swoon run app.lua.
	if args := os.Args[1:]; len(args) > 0 && isScript(root, args) {
		if err := unknownName(root, args[0]); err != nil {
			fmt.Fprintf(os.Stderr, "swoon: %v\n", err)
			os.Exit(exitUsage)
		}
		root.SetArgs(append([]string{"run"}, args...))
	}
	if err := root.Execute(); err != nil {
		fmt.Fprintf(os.Stderr, "swoon: %v\n", err)
		code = exitUsage
	}
	os.Exit(code)
}

// isScript says whether the command line begins with run's flags or a script
// instead of a command.
func isScript(root *cobra.Command, args []string) bool {
	for _, a := range args {
		switch {
		case a == "--":
			return true
		case a == "-h" || a == "--help" || a == "-v" || a == "--version":
			return false
		case strings.HasPrefix(a, "-"):
			return true // a flag of run
		case a == "help" || strings.HasPrefix(a, "__complete") || a == "completion":
			return false
		}
		for _, c := range root.Commands() {
			if c.Name() == a {
				return false
			}
		}
		return true
	}
	return false
}

// unknownName refuses a word that is neither a command nor looks like a script.
func unknownName(root *cobra.Command, name string) error {
	if strings.HasPrefix(name, "-") || strings.Contains(name, "/") || strings.HasSuffix(name, ".lua") {
		return nil
	}
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	near := ""
	root.SuggestionsMinimumDistance = 2
	if list := root.SuggestionsFor(name); len(list) > 0 {
		best := list[0]
		for _, c := range list {
			if strings.HasPrefix(c, name) {
				best = c
			}
		}
		near = fmt.Sprintf(" (did you mean '%s'?)", best)
	}
	return fmt.Errorf("there is neither a command nor a file named '%s'%s", name, near)
}

func commands(code *int) *cobra.Command {
	root := &cobra.Command{
		Use:   "swoon app.lua [args...]",
		Short: "Serve network clients with a Lua script, and edit it while they stay connected",
		Example: "  swoon app.lua                   serve, and load the script again when it is saved\n" +
			"  swoon run --port 8000 app.lua   flags beat the script's settings\n" +
			"  swoon check app.lua             find what is wrong without serving\n" +
			"  swoon status app.lua            what the running server does; also reload, stop\n" +
			"  swoon bench 127.0.0.1:9501      how fast a server answers, and whether it answers right",
		SilenceUsage: true, SilenceErrors: true, Version: version,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("swoon {{.Version}}\n")
	root.AddCommand(runCommand(code), checkCommand(code), reloadCommand(code), stopCommand(code), statusCommand(code), stubsCommand(code), benchCommand(code), &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), "swoon", version) },
	})
	return root
}

// exitFor maps a failure to start to its exit code.
func exitFor(err error) int {
	var listen *engine.ListenError
	if errors.As(err, &listen) {
		return exitListen
	}
	return exitScript
}

func checkCommand(code *int) *cobra.Command {
	return &cobra.Command{
		Use: "check app.lua", Short: "Compile a script and check what it declares, without serving", Args: oneScript,
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := scripting.New(scripting.Options{Script: args[0], Modules: modules, Out: os.Stdout, Check: true})
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				*code = exitScript
				return nil
			}
			defer h.Discard()
			if undefined := h.Undefined(); len(undefined) > 0 {
				fmt.Fprintln(os.Stderr, strings.Join(undefined, "\n"))
				*code = exitScript
				return nil
			}
			if h.Alone() {
				fmt.Printf("%s: ok (runs alone: it declares no server)\n", args[0])
				return nil
			}
			s := h.Settings()
			fmt.Printf("%s: ok (%s mode, %s, %d workers, %d task workers)\n", args[0], s.Mode, strings.Join(s.Addresses(), ", "), s.Workers, s.TaskWorkers)
			return nil
		},
	}
}

func oneScript(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("which script? usage: %s", cmd.UseLine())
	}
	return nil
}
