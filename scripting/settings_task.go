package scripting

import (
	"math/rand/v2"

	"swoon/engine"

	lua "github.com/yuin/gopher-lua"
)

// TaskSettings are the settings of tasks and messages, as far as they are not the
// engine's alone.
type TaskSettings struct {
	TaskObject    *bool // nil: as task_enable_coroutine
	TaskRetry     engine.Retry
	DeadTasks     int // 0: none are kept
	MaxTasks      int // task_max_request; 0: no limit
	MaxTasksGrace int // -1: half of it
	MessageQueue  int
	Processes     int // of server:addProcess: no setting
}

func defaultTasks() TaskSettings {
	return TaskSettings{DeadTasks: engine.DefaultDeadTasks, MaxTasksGrace: -1, MessageQueue: engine.DefaultMessages}
}

// limit fills in what of the engine's limits is said here.
func (s *TaskSettings) limit(m *engine.Limits) {
	m.DeadTasks, m.MessageQueue = s.DeadTasks, s.MessageQueue
	if m.DeadTasks == 0 {
		m.DeadTasks = -1 // 0 means the default there
	}
}

var taskSettings = []setting{
	{name: "task_queue_size", def: "100000", server: integer(func(s *Settings) *int { return &s.TaskQueue }, 1, 1<<24),
		doc: "tasks that may wait for a task worker"},
	{name: "task_dead_size", def: "1000", server: integer(func(s *Settings) *int { return &s.DeadTasks }, 0, 1<<24),
		doc: "tasks that failed for good and are kept for server:deadTasks; the oldest make room"},
	{name: "task_retry", def: "0", server: setTaskRetry,
		doc: "how often a task whose onTask fails runs again; or { times =, delay =, factor =, max = }, in seconds: 1, 2 and 60 unless given"},
	{name: "task_max_request", def: "0", server: integer(func(s *Settings) *int { return &s.MaxTasks }, 0, 1<<30),
		doc: "tasks after which a task worker gets a fresh VM; 0: never"},
	{name: "task_max_request_grace", def: "half of task_max_request", server: integer(func(s *Settings) *int { return &s.MaxTasksGrace }, 0, 1<<30),
		doc: "up to so many more, by chance, so that not all task workers do it at once"},
	{name: "task_enable_coroutine", def: "false", server: boolean(func(s *Settings) *bool { return &s.TaskCoroutine }),
		doc: "a task worker takes the next task while one waits; onTask gets a task object, unless task_use_object is false"},
	{name: "task_use_object", def: "true with task_enable_coroutine or event_object", server: setTaskObject,
		doc: "onTask(server, task) with an object instead of onTask(server, task_id, src_worker_id, data)"},
	{name: "message_queue_size", def: "10000", server: integer(func(s *Settings) *int { return &s.MessageQueue }, 1, 1<<24),
		doc: "messages to one worker that it has not handled; more are refused"},
}

// taskGrace is how many tasks more than task_max_request a VM runs.
func (s *TaskSettings) taskGrace() int {
	grace := s.MaxTasksGrace
	if grace < 0 && s.MaxTasks > 10 {
		grace = s.MaxTasks / 2
	}
	if grace <= 0 {
		return 0
	}
	return 1 + rand.IntN(grace)
}

// setTaskRetry is the setting task_retry.
func setTaskRetry(s *Settings, v lua.LValue) (err error) {
	s.TaskRetry, err = readRetry(v)
	return err
}

// setTaskObject is the setting task_use_object; unset, task_enable_coroutine says.
func setTaskObject(s *Settings, v lua.LValue) error {
	b, ok := v.(lua.LBool)
	if !ok {
		return typeFault("boolean", v)
	}
	x := bool(b)
	s.TaskObject = &x
	return nil
}

// taskObject says whether onTask is called with an object.
func (s *Settings) taskObject() bool {
	if s.TaskObject != nil {
		return *s.TaskObject
	}
	return s.TaskCoroutine || s.EventObject
}
