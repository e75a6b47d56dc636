//go:build race

package saml_test

// slack is how many times slower everything may be under the race detector.
const slack = 10
