//go:build !race

package wire

const slack = 1
