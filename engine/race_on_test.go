//go:build race

package engine

// raceEnabled scales tests down: the detector makes everything slower.
const raceEnabled = true
