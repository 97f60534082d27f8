//go:build !amd64 && !arm64

// Package rtmin takes SIGRTMIN, where its few lines of assembly have been
// written; on other processors the signal ends the process.
package rtmin

import (
	"os"
	"syscall"
)

// Signal is SIGRTMIN as C libraries count it.
const Signal = syscall.Signal(34)

// Notify does nothing here.
func Notify(chan<- os.Signal) error { return nil }
