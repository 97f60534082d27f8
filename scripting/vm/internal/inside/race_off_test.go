//go:build !race

package inside_test

const raceEnabled = false
