// Package fs is the Lua module "fs": files and directories, without stalling
// the loop that asks for them.
package fs

import (
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

var path = scripting.Param{Name: "path", Type: "string"}

const answer = "boolean, string?, string?"

// Module declares fs.
var Module = scripting.Module{
	Name: "fs",
	Doc: "Files and directories. Each call waits for the system while the worker goes on. Relative paths begin where the server was started. " +
		"Failures have the names not_found, exists, permission_denied, not_a_directory, is_a_directory, not_empty, no_space, read_only, too_large, invalid_path, and io_error for the rest. " +
		"While the script loads it may read, but not write.",
	Funcs: []scripting.Func{
		{
			Name: "read", Params: []scripting.Param{path, {Name: "options", Type: "table?"}}, Returns: "string|false, string?, string?",
			Doc: "The content of a file. Options: offset (0) and length, both in bytes; what lies beyond the end is left out.", Fn: read,
		},
		{
			Name: "write", Params: []scripting.Param{path, {Name: "data", Type: "string"}, {Name: "options", Type: "table?"}}, Returns: answer,
			Doc: "Replace the content of a file in one step: whoever reads it sees the old content or the new, also after a crash. " +
				"Options: mode (\"644\", or that of the file that is replaced), sync (true: wait until the disk has it).", Fn: write,
		},
		{
			Name: "append", Params: []scripting.Param{path, {Name: "data", Type: "string"}, {Name: "options", Type: "table?"}}, Returns: answer,
			Doc: "Add to the end of a file, which is made if it is not there. Options: mode (\"644\", for a new file), sync (false).", Fn: appendTo,
		},
		{Name: "list", Params: []scripting.Param{path}, Returns: "table|false, string?, string?", Doc: "The names in a directory, sorted.", Fn: list},
		{
			Name: "stat", Params: []scripting.Param{path}, Returns: "table|false, string?, string?",
			Doc: "What is known of a path: type (\"file\", \"directory\" or \"other\"), size, mode (such as \"644\"), mtime (seconds), link (whether the path is a symbolic link, which is followed).", Fn: stat,
		},
		{Name: "exists", Params: []scripting.Param{path}, Returns: answer, Doc: "Whether there is such a path.", Fn: exists},
		{
			Name: "mkdir", Params: []scripting.Param{path, {Name: "options", Type: "table?"}}, Returns: answer,
			Doc: "Make a directory. Options: parents (false: true makes those above too, and is content with one that is there), mode (\"755\").", Fn: mkdir,
		},
		{
			Name: "remove", Params: []scripting.Param{path, {Name: "options", Type: "table?"}}, Returns: answer,
			Doc: "Remove a file or an empty directory. Options: recursive (false: true removes a directory with all that is in it).", Fn: remove,
		},
		{
			Name: "rename", Params: []scripting.Param{{Name: "from", Type: "string"}, {Name: "to", Type: "string"}}, Returns: answer,
			Doc: "Give a file or directory another path on the same disk; a file that is there is replaced.", Fn: rename,
		},
		{
			Name: "watch", Params: []scripting.Param{path, {Name: "callback", Type: "function"}}, Returns: "fs.watch|false, string?, string?",
			Doc: "Call callback(path, what) when a file, or something in a directory, was \"created\", \"changed\" or \"removed\". A file need not be there, its directory must. " +
				"The calls come in order, one at a time, as fibers of the VM that watches, and end with its generation or by stop(). callback(nil, \"missed\") says that more came than could be kept.", Fn: watch,
		},
	},
	Types: []*scripting.Type{watchType},
}

// startDir is where the server was started; the process may move later.
var startDir, _ = os.Getwd()

// resolve is argument n as an absolute path.
func resolve(L *lua.LState, n int) string {
	p := L.CheckString(n)
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(startDir, p)
}

// names are the failures by the system's number.
var names = map[syscall.Errno]string{
	syscall.ENOENT: "not_found", syscall.EEXIST: "exists", syscall.EACCES: "permission_denied", syscall.EPERM: "permission_denied",
	syscall.ENOTDIR: "not_a_directory", syscall.EISDIR: "is_a_directory", syscall.ENOTEMPTY: "not_empty", syscall.ENOSPC: "no_space",
	syscall.EDQUOT: "no_space", syscall.EROFS: "read_only", syscall.EFBIG: "too_large", syscall.EINVAL: "invalid_path", syscall.ENAMETOOLONG: "invalid_path",
}

// errTooLarge is a file that no string can hold.
var errTooLarge = &scripting.Errno{Name: "too_large", Code: int(syscall.EFBIG), Text: "the file is larger than a string can be: read it in parts, with offset and length"}

// fail answers with a failure of the system.
func fail(in *scripting.Instance, L *lua.LState, err error) int {
	if e, ok := err.(*scripting.Errno); ok {
		return in.Fail(L, e)
	}
	e := &scripting.Errno{Name: "io_error", Code: int(syscall.EIO), Text: err.Error()}
	var no syscall.Errno
	if errors.As(err, &no) {
		e.Code = int(no)
		if name := names[no]; name != "" {
			e.Name = name
		}
	}
	return in.Fail(L, e)
}

// block runs f while the fiber waits.
func block(in *scripting.Instance, L *lua.LState, what string, f func() error) error {
	var err error
	if wait := in.Block(L, what, func(context.Context) { err = f() }); wait != nil {
		vm.Raise(L, "%s", wait.Error())
	}
	return err
}

// do is block for a function that only can fail.
func do(in *scripting.Instance, L *lua.LState, what string, f func() error) int {
	if err := block(in, L, what, f); err != nil {
		return fail(in, L, err)
	}
	L.Push(lua.LTrue)
	return 1
}

func list(in *scripting.Instance, L *lua.LState) int {
	p := resolve(L, 1)
	var entries []iofs.DirEntry
	err := block(in, L, "fs.list", func() (err error) {
		entries, err = os.ReadDir(p)
		return err
	})
	if err != nil {
		return fail(in, L, err)
	}
	t := L.CreateTable(len(entries), 0)
	for i, e := range entries {
		t.RawSetInt(i+1, lua.LString(e.Name()))
	}
	L.Push(t)
	return 1
}

func stat(in *scripting.Instance, L *lua.LState) int {
	p := resolve(L, 1)
	var info iofs.FileInfo
	link := false
	err := block(in, L, "fs.stat", func() (err error) {
		if info, err = os.Lstat(p); err == nil && info.Mode()&iofs.ModeSymlink != 0 {
			link = true
			info, err = os.Stat(p)
		}
		return err
	})
	if err != nil {
		return fail(in, L, err)
	}
	kind := "other"
	switch {
	case info.Mode().IsRegular():
		kind = "file"
	case info.IsDir():
		kind = "directory"
	}
	t := L.CreateTable(0, 5)
	t.RawSetString("type", lua.LString(kind))
	t.RawSetString("size", lua.LNumber(info.Size()))
	t.RawSetString("mode", lua.LString(modeText(info.Mode())))
	t.RawSetString("mtime", lua.LNumber(float64(info.ModTime().UnixNano())/1e9))
	t.RawSetString("link", lua.LBool(link))
	L.Push(t)
	return 1
}

func exists(in *scripting.Instance, L *lua.LState) int {
	p := resolve(L, 1)
	err := block(in, L, "fs.exists", func() error {
		_, err := os.Stat(p)
		return err
	})
	if err != nil && !errors.Is(err, iofs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return fail(in, L, err)
	}
	L.Push(lua.LBool(err == nil))
	return 1
}

// readAll reads up to length bytes; more than a string can hold is an error.
func readAll(f *os.File, length int64) (string, error) {
	var b strings.Builder
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		b.Grow(int(min(max(info.Size(), 0), length)))
	}
	n, err := io.Copy(&b, io.LimitReader(f, length))
	if err == nil && n > vm.DefaultMaxString {
		err = errTooLarge
	}
	return b.String(), err
}
