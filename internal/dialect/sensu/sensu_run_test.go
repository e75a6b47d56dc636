package sensu_test

import (
	"testing"

	"jeton/internal/dialect/sensu"
	"jeton/internal/servertest"
)

func TestTranscripts(t *testing.T) { servertest.Run(t, "testdata", &sensu.Dialect) }
