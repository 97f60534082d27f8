package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(c.in); got != c.want {
			t.Errorf("the median of %v is %g, want %g", c.in, got, c.want)
		}
	}
}

func TestThousands(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 999.6: "1,000", 12: "12", 123456: "123,456", 1234567: "1,234,567"} {
		if got := thousands(v); got != want {
			t.Errorf("%g is written %s, want %s", v, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	o, err := parse([]string{"-servers", "base,bare", "-cases", "pipe", "-rounds", "3"})
	if err != nil {
		t.Fatal(err)
	}
	res := newResults()
	for _, cost := range []float64{2, 40, 1} {
		one := &report{Cost: cost, ServerCPU: cost * 1e-6, PerSecond: 1000}
		res.add("pipe", "bare", one)
		double := *one
		double.Cost *= 2
		res.add("pipe", "base", &double)
	}
	text := res.table(o).text() + res.details(o).text()
	path := filepath.Join(t.TempDir(), "deep", "bench.md")
	if err := res.write(path, o); err != nil {
		t.Fatal(err)
	}
	report, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"server (times bare)", "4.000 (2.00)", "2.000 (1.00)", "goal, base mode", "0.15", "Swoon, base mode", "2.000..80.000", "1,000"} {
		if !strings.Contains(text, part) || !strings.Contains(string(report), part) {
			t.Errorf("%q is missing in\n%s\n%s", part, text, report)
		}
	}
	if strings.Contains(text, "goal, process") {
		t.Errorf("what is not measured has a goal:\n%s", text)
	}
}

func TestWrongCommandLines(t *testing.T) {
	for _, args := range [][]string{{"-servers", "nginx"}, {"-cases", "pong"}, {"-rounds", "0"}, {"-d", "0s"}, {"bare"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}

func TestMissingBinarySaysHowToBuild(t *testing.T) {
	_, err := start(kindOf("base"), &options{bin: t.TempDir()}, false)
	if err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("a missing binary gives %v", err)
	}
}
