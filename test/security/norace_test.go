//go:build !race

package security_test

const slack = 1
