package scripting

import (
	"slices"
	"sync"
	"testing"
)

// What is asked for before the reloader begins is one reload: all of it, unless
// only task workers were asked for, and everybody gets the answer.
func TestWishesAreGathered(t *testing.T) {
	w := wishes{come: make(chan struct{}, 1)}
	if w.take() != nil {
		t.Error("a wish out of nothing")
	}
	reply := func() []chan ReloadReport { return []chan ReloadReport{make(chan ReloadReport, 1)} }
	w.add(reloadRequest{why: []string{"SIGUSR2"}, tasks: true, replies: reply()})
	if got := w.take(); !got.tasks {
		t.Error("task workers alone were asked for")
	}
	w.add(reloadRequest{why: []string{"SIGUSR2"}, tasks: true, replies: reply()})
	w.add(reloadRequest{why: []string{"saved a.lua"}, files: []string{"a.lua"}})
	w.add(reloadRequest{why: []string{"saved a.lua"}, files: []string{"a.lua", "b.lua"}, replies: reply()})
	got := w.take()
	if got.tasks || len(got.replies) != 2 || !slices.Equal(got.why, []string{"SIGUSR2", "saved a.lua"}) || !slices.Equal(got.files, []string{"a.lua", "b.lua"}) {
		t.Errorf("%+v", got)
	}
	if w.take() != nil {
		t.Error("taken twice")
	}
}

// No wish is lost between take and add.
func TestWishesFromMany(t *testing.T) {
	w := wishes{come: make(chan struct{}, 1)}
	const n = 8
	var answered sync.WaitGroup
	answered.Add(n * 100)
	go func() {
		for range w.come {
			for r := w.take(); r != nil; r = w.take() {
				for _, c := range r.replies {
					c <- ReloadReport{OK: true}
				}
			}
		}
	}()
	for range n {
		go func() {
			for range 100 {
				c := make(chan ReloadReport, 1)
				w.add(reloadRequest{why: []string{"me"}, replies: []chan ReloadReport{c}})
				<-c
				answered.Done()
			}
		}()
	}
	answered.Wait()
	close(w.come)
}

func TestReportLine(t *testing.T) {
	r := ReloadReport{OK: true, Generation: 7, Why: "saved app.lua", Recovered: 1, Changes: []string{"worker_num: 2 -> 4"},
		Build: 1500e3, Warm: 2e6, Swap: 100e3, Draining: 1}
	if got, want := r.String(), "reloaded: generation 7, saved app.lua, recovered after 1 failed reload, worker_num: 2 -> 4; build 1.5 ms, warm 2.0 ms, swap 0.1 ms; 1 callback on old code"; got != want {
		t.Errorf("%q", got)
	}
	r = ReloadReport{Generation: 6, Phase: "load", Error: "app.lua:1: no"}
	if got, want := r.String(), "reload failed, generation 6 goes on: load: app.lua:1: no"; got != want {
		t.Errorf("%q", got)
	}
}
