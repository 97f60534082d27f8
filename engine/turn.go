package engine

import (
	"runtime"
	"time"
)

// What one turn does at most, so that no kind of work can starve another.
const (
	turnEvents  = 256 // session events from the run queue
	turnJobs    = 64
	turnPackets = 256
	turnTimers  = 256

	turnTime = 5 * time.Millisecond // after this, queued events wait for the next turn
)

// phase is where a turn stands. It lies in the loop because the goroutine that
// runs the loop changes whenever a callback waits.
type phase uint8

const (
	phaseMail    phase = iota // take what other goroutines posted
	phaseReady                // pass the baton to fibers whose wait is over
	phaseJobs                 // run posted callbacks
	phaseQueue                // run events of queued sessions
	phasePackets              // run packets
	phaseTimers               // run due timers
	phaseTask                 // run one task
	phasePoll                 // flush, poll, or rest
	phaseEvents               // handle what the poll brought
)

// run executes the loop until this goroutine must end. Every case leaves all
// it knows in l before anything that may wait. Its frame lies on the stack of
// every fiber that waits, and with what a profile-guided build would inline here
// 4 KB were not enough for these: hence some of it is marked not to be.
func (l *Loop) run(f *Fiber) {
	for {
		if f.job != nil {
			job, root := f.job, f.jobRoot
			f.job = nil
			l.invoke(f, root, nil, job)
			if s := f.starter; s != nil { // it never waited
				f.starter = nil
				if !l.stepAside(f, s) {
					return
				}
				continue
			}
		}
		switch l.phase {
		case phaseMail:
			l.takeMail()
			if l.stopped {
				l.shut()
				return
			}
			if len(l.movers) > 0 {
				l.moveSome()
			}
			l.readyLeft = l.ready.len()
			l.phase = phaseReady

		case phaseReady:
			if l.readyLeft > 0 && l.ready.len() > 0 {
				l.readyLeft--
				if !l.stepAside(f, l.ready.pop()) {
					return
				}
				continue
			}
			l.phase, l.left = phaseJobs, turnJobs

		case phaseJobs:
			if l.left > 0 && l.jobs.len() > 0 {
				l.left--
				j := l.jobs.pop()
				l.invoke(f, j.root, nil, j.fn)
				continue
			}
			l.phase, l.left = phaseQueue, turnEvents

		case phaseQueue:
			for l.left > 0 && l.runq.len() > 0 {
				l.left--
				l.serve(f, l.runq.pop())
				if l.phase != phaseQueue {
					break
				}
				// A session that is fed as fast as it is served could keep the
				// queue to itself for the whole budget: sessions that come in by
				// mail stand behind it once, not behind all its events.
				if l.mail.full.Load() {
					l.takeMail()
				}
				if l.left%8 == 0 && nanotime()-l.now > int64(turnTime) {
					l.left = 0
				}
			}
			if l.phase != phaseQueue {
				continue
			}
			l.phase, l.left = phasePackets, turnPackets

		case phasePackets:
			if l.leaving {
				l.passPackets()
			}
			for l.left > 0 && l.packetsReady() {
				l.left--
				l.servePacket(f)
				if l.phase != phasePackets {
					break
				}
				if l.left%8 == 0 && nanotime()-l.now > int64(turnTime) {
					l.left = 0
				}
			}
			if l.phase != phasePackets {
				continue
			}
			l.phase, l.left = phaseTimers, turnTimers

		case phaseTimers:
			if l.left > 0 && l.timerDue() {
				l.left--
				t := l.timers.heap[0]
				l.timers.remove(t)
				t.fire(t)
				continue
			}
			l.phase = phasePoll
			if l.role&taskRole != 0 {
				l.phase = phaseTask
			}

		case phaseTask:
			l.phase = phasePoll
			l.nextTask(f)

		case phasePoll:
			if l.eachTurn != nil && !l.turned {
				l.turned = true
				l.invoke(f, RootGo, nil, l.eachTurn)
				continue
			}
			l.turned = false
			l.flushDirty()
			l.handOff()
			l.publish()
			l.phase = phaseMail
			l.kicked.Store(false)
			if l.poller != nil && l.fetch() {
				continue
			}
			l.now = nanotime()
			if l.busy() {
				l.giveWay()
				continue
			}
			if l.retired && l.spent() {
				l.vanish()
			}
			if !l.rest(f) {
				return
			}
			l.now = nanotime()

		case phaseEvents:
			for l.phase == phaseEvents && l.evNext < l.evEnd {
				ev := l.poller.events[l.evNext]
				l.evNext++
				l.handle(f, ev.Fd, ev.Pad, ev.Events)
			}
			if l.phase != phaseEvents {
				continue
			}
			l.phase = phaseMail
			if l.batched {
				l.handOff()
				l.letWork()
			}
		}
	}
}

// letWork is called when events were handed to workers. Where there is but one
// processor they begin at once: their answers need not wait until this loop has
// looked for more and come to rest.
func (l *Loop) letWork() {
	if l.eng.processors.Load() == 1 {
		runtime.Gosched()
	}
}

// giveWay lets other goroutines run when the loop has been busy for a while.
// Fibers that hand the baton to one another look to Go's scheduler like one
// goroutine that never waits: with few processors it would come to the other
// loops, a reactor with our sessions among them, a few times a second only.
func (l *Loop) giveWay() {
	if l.now-l.gaveWay > int64(turnTime) {
		runtime.Gosched()
		l.now = nanotime()
		l.gaveWay = l.now
	}
}

// busy says whether a turn would find something to do without waiting.
func (l *Loop) busy() bool {
	return l.mail.full.Load() || l.ready.len() > 0 || l.runq.len() > 0 || l.jobs.len() > 0 ||
		l.timerDue() || l.taskWaits() || l.packetsReady() || len(l.movers) > 0 || l.stopped
}

func (l *Loop) timerDue() bool {
	due := l.timers.next()
	return due != 0 && due <= l.now
}

// fetch polls for events and starts their phase.
func (l *Loop) fetch() bool {
	n := l.poller.poll()
	if n == 0 {
		return false
	}
	l.now = nanotime()
	l.evNext, l.evEnd = 0, n
	l.phase = phaseEvents
	return true
}

// EachTurn has fn called at the end of each turn, before the loop waits; nil
// ends that. When fn waits it is called again in the turns meanwhile. Baton
// holder.
func (l *Loop) EachTurn(fn func(*Fiber)) { l.eachTurn, l.turned = fn, false }

// beforePark takes what the turn holds to where others find it: output to the
// kernel, the rest of a read to its session.
func (l *Loop) beforePark() {
	if l.read.s != nil {
		l.stash()
	}
	if len(l.dirty) > 0 {
		l.flushDirty()
	}
	if l.batched {
		l.handOff()
	}
}
