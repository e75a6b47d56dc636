package aoc_test

import (
	"testing"

	"jeton/internal/dialect/aoc"
	"jeton/internal/servertest"
)

func TestTranscripts(t *testing.T) { servertest.Run(t, "testdata", &aoc.Dialect) }
