package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"swoon/scripting"
	"swoon/scripting/manual"

	"github.com/spf13/cobra"
)

// config is what the Lua language server reads in the directory of a project.
const config = ".luarc.json"

func stubsCommand(code *int) *cobra.Command {
	return &cobra.Command{
		Use: "stubs DIR", Short: "Write stub files for editors, so that they complete and check scripts",
		Long: "Write stub files for the Lua language server into DIR: one for each module, the server object and the callbacks.\n" +
			"A " + config + " that names DIR is written into the current directory, unless there is one.",
		Example: "  swoon stubs .swoon",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("into which directory? usage: %s", cmd.UseLine())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := writeStubs(args[0], cmd.OutOrStdout()); err != nil {
				fmt.Fprintf(os.Stderr, "swoon: %v\n", err)
				*code = exitException
			}
			return nil
		},
	}
}

// writeStubs writes the stubs into dir, and a configuration beside it.
func writeStubs(dir string, out io.Writer) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files := manual.Stubs(scripting.NewReference(modules))
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(files[name]), 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "%d stub files in %s\n", len(names), dir)
	f, err := os.OpenFile(config, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		fmt.Fprintf(out, "%s is there already: \"workspace.library\" in it must name %q\n", config, dir)
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(manual.Config(filepath.ToSlash(dir)))
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s written: editors with the Lua language server find the stubs\n", config)
	return nil
}
