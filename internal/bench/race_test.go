//go:build race

package bench

// slack is how many times slower everything may be under the race detector.
const slack = 5
