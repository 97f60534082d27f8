package scripting

import "testing"

// A line that one VM has begun is not continued by another.
func TestWriteIsNotTorn(t *testing.T) {
	h, out, err := load(t, `io.write("top ") io.write("level")`+"\n"+receives)
	if err != nil {
		t.Fatal(err)
	}
	a := h.gen.Load().control
	b := h.newInstance(h.gen.Load(), nil)
	t.Cleanup(b.vm.Close)
	a.stage, b.stage = live, live
	a.Write(" goes on\n")
	a.Write("one ")
	b.Write("two ")
	b.Write("whole\n")
	a.Write("finished\nrest")
	a.FlushOutput()
	a.FlushOutput()
	a.Write(" of it")
	a.FlushOutput()
	b.Write("other\n")
	a.Write("end\n")
	want := "top level goes on\ntwo whole\none finished\nrest of it\nother\nend\n"
	if got := out.String(); got != want {
		t.Errorf("the output is %q, want %q", got, want)
	}
}
