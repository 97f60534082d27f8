package engine

// Task workers that wait for each other: the task of a serial worker waits for
// tasks which only workers could run that wait as well. Nobody else could ever
// end that, so the wait that closes the circle is refused.

// hold notes that the task of a serial task worker is about to wait in g, or
// reports false: it would be for nothing.
func (p *taskPool) hold(l *Loop, g *gathering) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holds == nil {
		p.holds = map[*Loop]*gathering{}
	}
	p.holds[l] = g
	if p.circle(l) {
		delete(p.holds, l)
		return false
	}
	return true
}

// unhold notes that the wait is over.
func (p *taskPool) unhold(l *Loop, g *gathering) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holds[l] == g {
		delete(p.holds, l)
	}
}

// breakCircles ends waits that have become circles, because a task worker has
// left that could have run what they wait for. Under mu.
func (p *taskPool) breakCircles() {
	for l, g := range p.holds {
		if p.circle(l) {
			delete(p.holds, l)
			g.w.Fail(ErrWouldDeadlock)
		}
	}
}

// circle says whether the wait of l could only be ended by its own end. A wait
// whose time-out passes earlier ends in time to help. Under mu.
func (p *taskPool) circle(l *Loop) bool {
	if p.eng.Limits().TaskConcurrent {
		return false
	}
	mine := p.holds[l]
	tasks := p.eng.roster.Load().tasks
	free := map[*Loop]bool{} // those that will have time for another task
	anyFree := false
	isFree := func(w *Loop) {
		free[w] = true
		anyFree = anyFree || !w.off.Load()
	}
	for _, w := range tasks {
		if g := p.holds[w]; g == nil {
			isFree(w)
		}
	}
	for w, g := range p.holds {
		if g != mine && before(g.until, mine.until) {
			isFree(w)
		}
	}
	canRun := func(t *Task) bool {
		switch {
		case before(t.Until, mine.until):
			return true // its deadline ends it
		case t.on != nil:
			return p.holds[t.on] == nil || free[t.on]
		case t.Dst >= 0 && t.Dst < len(tasks):
			return free[tasks[t.Dst]]
		}
		return anyFree
	}
	for changed := true; changed && !free[l]; {
		changed = false
		for w, g := range p.holds {
			if !free[w] && g.ends(canRun) {
				isFree(w)
				changed = true
			}
		}
	}
	return !free[l]
}

// before says whether a time comes before another one; 0 is never.
func before(at, other int64) bool { return at > 0 && (other == 0 || at < other) }

// ends says whether all tasks that g waits for can run. Under the pool's lock.
func (g *gathering) ends(canRun func(*Task) bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, t := range g.tasks {
		if !g.told[i] && !canRun(t) {
			return false
		}
	}
	return true
}
