package fs

import (
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strconv"

	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/internal/option"

	lua "github.com/yuin/gopher-lua"
)

// maxExact is the largest integer up to which a Lua number holds all.
const maxExact = 1 << 53

func read(in *scripting.Instance, L *lua.LState) int {
	const what = "fs.read"
	p := resolve(L, 1)
	o := option.Read(L, 2, what)
	offset := o.Int("offset", 0, 0, maxExact)
	length := o.Int("length", -1, 0, vm.DefaultMaxString)
	o.Done()
	if length < 0 {
		length = vm.DefaultMaxString + 1 // one more, to see that it is too much
	}
	var text string
	err := block(in, L, what, func() error {
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		defer f.Close()
		if offset > 0 {
			if _, err := f.Seek(int64(offset), io.SeekStart); err != nil {
				return err
			}
		}
		text, err = readAll(f, int64(length))
		return err
	})
	if err != nil {
		return fail(in, L, err)
	}
	L.Push(lua.LString(text))
	return 1
}

// modeText is the permissions as chmod takes them: "644".
func modeText(m iofs.FileMode) string { return strconv.FormatUint(uint64(m.Perm()), 8) }

// mode reads the option mode; given is false where it is not.
func mode(o *option.Set, def iofs.FileMode) (m iofs.FileMode, given bool) {
	v := o.Value("mode")
	if v == lua.LNil {
		return def, false
	}
	s, ok := v.(lua.LString)
	n, err := strconv.ParseUint(string(s), 8, 32)
	if !ok || err != nil || n > 0o777 {
		o.Bad("mode", "permissions such as \"644\"", v)
	}
	return iofs.FileMode(n), true
}

func write(in *scripting.Instance, L *lua.LState) int {
	const what = "fs.write"
	in.MustRun(L, what)
	p, data := resolve(L, 1), L.CheckString(2)
	o := option.Read(L, 3, what)
	m, given := mode(o, 0o644)
	sync := o.Bool("sync", true)
	o.Done()
	return do(in, L, what, func() error {
		if target, err := filepath.EvalSymlinks(p); err == nil {
			p = target // what a link names is replaced, not the link
		}
		if info, err := os.Stat(p); err == nil && !given {
			m = info.Mode().Perm()
		}
		return replace(p, data, m, sync)
	})
}

// replace writes a new file beside p and renames it over p.
func replace(p, data string, m iofs.FileMode, sync bool) error {
	f, err := os.CreateTemp(filepath.Dir(p), ".swoon-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(data)
	if err == nil {
		err = f.Chmod(m)
	}
	if err == nil && sync {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), p)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	if sync {
		return syncDir(filepath.Dir(p))
	}
	return nil
}

// syncDir makes a rename in dir outlive a crash.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func appendTo(in *scripting.Instance, L *lua.LState) int {
	const what = "fs.append"
	in.MustRun(L, what)
	p, data := resolve(L, 1), L.CheckString(2)
	o := option.Read(L, 3, what)
	m, _ := mode(o, 0o644)
	sync := o.Bool("sync", false)
	o.Done()
	return do(in, L, what, func() error {
		f, err := os.OpenFile(p, os.O_APPEND|os.O_CREATE|os.O_WRONLY, m)
		if err != nil {
			return err
		}
		_, err = f.WriteString(data)
		if err == nil && sync {
			err = f.Sync()
		}
		if e := f.Close(); err == nil {
			err = e
		}
		return err
	})
}

func mkdir(in *scripting.Instance, L *lua.LState) int {
	const what = "fs.mkdir"
	in.MustRun(L, what)
	p := resolve(L, 1)
	o := option.Read(L, 2, what)
	m, _ := mode(o, 0o755)
	parents := o.Bool("parents", false)
	o.Done()
	return do(in, L, what, func() error {
		if parents {
			return os.MkdirAll(p, m)
		}
		return os.Mkdir(p, m)
	})
}

func remove(in *scripting.Instance, L *lua.LState) int {
	const what = "fs.remove"
	in.MustRun(L, what)
	p := resolve(L, 1)
	o := option.Read(L, 2, what)
	recursive := o.Bool("recursive", false)
	o.Done()
	return do(in, L, what, func() error {
		if !recursive {
			return os.Remove(p)
		}
		if _, err := os.Lstat(p); err != nil {
			return err // RemoveAll is content with nothing
		}
		return os.RemoveAll(p)
	})
}

func rename(in *scripting.Instance, L *lua.LState) int {
	const what = "fs.rename"
	in.MustRun(L, what)
	from, to := resolve(L, 1), resolve(L, 2)
	return do(in, L, what, func() error { return os.Rename(from, to) })
}
