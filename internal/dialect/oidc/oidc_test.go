package oidc_test

import (
	"testing"

	"jeton/internal/servertest"
)

func TestTranscripts(t *testing.T) { servertest.Run(t, "testdata") }
