package scriptingtest

import (
	"syscall"
	"testing"
	"time"
)

// ReportCPU has a benchmark report the processor time of each of n calls too, as
// cpu-ns/op: on a machine that does other things it says more than the time of
// day. Call it first, and what it returns at the end.
func ReportCPU(b *testing.B, n int) func() {
	before := spent()
	return func() { b.ReportMetric(float64(spent()-before)/float64(n), "cpu-ns/op") }
}

// spent is the processor time of this process.
func spent() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
