package inside

// UseStock lets the interpreter run as gopher-lua made it until restore is called.
func UseStock() (restore func()) {
	wrapped := jumpTable
	jumpTable = original
	return func() { jumpTable = wrapped }
}
