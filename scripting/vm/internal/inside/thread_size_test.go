package inside_test

import (
	"runtime"
	"testing"

	"swoon/scripting/vm/internal/inside"

	lua "github.com/yuin/gopher-lua"
)

// A thread is 4 KB; ten thousand fibers that wait have as many.
func TestThreadsAreSmall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	threads := inside.Small(t)
	const n = 1000
	kept := make([]*lua.LState, 0, n)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range n {
		kept = append(kept, threads.New())
	}
	runtime.ReadMemStats(&after)
	bytes, objects := (after.TotalAlloc-before.TotalAlloc)/n, (after.Mallocs-before.Mallocs)/n
	t.Logf("%d bytes in %d objects", bytes, objects)
	if bytes > 3500 || objects > 4 {
		t.Errorf("a thread takes %d bytes in %d objects, 3500 in 4 are allowed", bytes, objects)
	}
	runtime.KeepAlive(kept)
}

func BenchmarkNewThread(b *testing.B) {
	threads := inside.Small(b)
	b.ReportAllocs()
	for range b.N {
		threads.New()
	}
}
