package fs

import (
	"sync"

	"swoon/scripting"

	lua "github.com/yuin/gopher-lua"
)

var watchType = &scripting.Type{
	Name: "fs.watch", Doc: "A watch of a file or a directory.",
	Methods: []scripting.Func{{
		Name: "stop", Returns: "boolean", Doc: "End the watch; false if it had ended.",
		Fn: func(_ *scripting.Instance, L *lua.LState) int {
			L.Push(lua.LBool(scripting.Self[*scripting.Subscription](L).Stop()))
			return 1
		},
	}},
}

// maxEvents is how many events may wait for the callback of one watch.
const maxEvents = 10000

// watching joins a subscription with the watch that feeds it, which is made off
// the loop and may come when nobody wants it any more.
type watching struct {
	mu   sync.Mutex
	w    *scripting.FileWatch
	over bool
}

func (x *watching) begin(w *scripting.FileWatch) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		w.Stop()
		return
	}
	x.w = w
}

func (x *watching) end() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.over = true
	if x.w != nil {
		x.w.Stop()
	}
}

func watch(in *scripting.Instance, L *lua.LState) int {
	const what = "fs.watch"
	in.MustRun(L, what)
	p, fn := resolve(L, 1), L.CheckFunction(2)
	var x watching
	sub := in.Subscribe(L, what, fn, maxEvents, arguments, x.end)
	begun := false
	defer func() {
		if !begun {
			sub.Stop() // also when a cancelled wait raises
		}
	}()
	err := block(in, L, what, func() error {
		w, err := in.WatchFile(p, func(ev scripting.FileEvent) { sub.Post(ev) })
		if err == nil {
			x.begin(w)
		}
		return err
	})
	if err != nil {
		return fail(in, L, err)
	}
	begun = true
	L.Push(in.NewObject(watchType, sub))
	return 1
}

// arguments are those of a watch's callback.
func arguments(_ *lua.LState, event any) []lua.LValue {
	ev, ok := event.(scripting.FileEvent)
	if !ok || ev.Path == "" {
		return []lua.LValue{lua.LNil, lua.LString("missed")}
	}
	return []lua.LValue{lua.LString(ev.Path), lua.LString(ev.What)}
}
