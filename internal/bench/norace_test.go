//go:build !race

package bench

const slack = 1
