package main

import "testing"

func TestResting(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct {
		made []uint64 // bytes ever made, at each look
		live uint64
		want []int // looks at which memory is given back
	}{
		"after the start":         {made: []uint64{4 * mib, 4 * mib, 4 * mib, 4 * mib, 4 * mib}, want: []int{3}},
		"busy":                    {made: []uint64{4 * mib, 6 * mib, 8 * mib, 10 * mib, 12 * mib}},
		"never three quiet looks": {made: []uint64{4 * mib, 4 * mib, 4 * mib, 6 * mib, 6 * mib, 6 * mib, 8 * mib}},
		"once for each burst":     {made: []uint64{9 * mib, 9 * mib, 9 * mib, 9 * mib, 9 * mib, 19 * mib, 19 * mib, 19 * mib, 19 * mib, 19 * mib}, want: []int{3, 8}},
		"little":                  {made: []uint64{4 * mib, 4 * mib, 4 * mib, 4 * mib, 4*mib + 500, 4*mib + 600, 5*mib - 1, 5*mib - 1, 5 * mib}, want: []int{3, 8}},
		"little beside the heap":  {made: []uint64{40 * mib, 40 * mib, 40 * mib, 40 * mib}, live: 800 * mib},
	} {
		t.Run(name, func(t *testing.T) {
			var r resting
			var got []int
			for i, made := range c.made {
				if r.due(made, c.live) {
					got = append(got, i)
				}
			}
			if len(got) != len(c.want) {
				t.Fatalf("given back at %v, want %v", got, c.want)
			}
			for i := range got {
				if got[i] != c.want[i] {
					t.Errorf("given back at %v, want %v", got, c.want)
				}
			}
		})
	}
}
