package vm

// Write is io.write for Go code: whole lines go out at once, the rest waits for
// its newline or for TakeOutput.
func (v *VM) Write(s string) { v.write(s) }

// Unfinished reports whether a line has been begun.
func (v *VM) Unfinished() bool { return len(v.out) > 0 }

// TakeOutput takes the unfinished line away; who calls it prints it.
func (v *VM) TakeOutput() string {
	s := string(v.out)
	v.out = v.out[:0]
	return s
}
