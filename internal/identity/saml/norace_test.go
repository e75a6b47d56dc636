//go:build !race

package saml_test

// slack is how many times slower everything may be than stated: not at all.
const slack = 1
