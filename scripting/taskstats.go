package scripting

// taskStats adds what is known of tasks and messages beside Swoole's numbers.
// Ages are seconds.
func (h *Host) taskStats(num func(string, float64)) {
	st := h.engine.TaskStats()
	num("task_delayed_num", float64(st.Delayed))
	num("task_oldest_age", st.Age.Seconds())
	num("task_waiting_num", float64(st.Waiting))
	num("task_retry_count", float64(st.Retried))
	num("task_fail_count", float64(st.Failed))
	num("task_expire_count", float64(st.Expired))
	num("task_late_count", float64(st.Late))
	num("task_dead_num", float64(st.Dead))
	num("task_dead_lost", float64(st.Forgotten))
	messages := 0
	for _, l := range h.loops() {
		messages += l.Messages()
	}
	num("message_queue_num", float64(messages))
}
