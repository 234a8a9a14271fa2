package simulation_test

import (
	"flag"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/crm-connector/crm-connector/connector/internal/simulation"
)

var (
	seeds = flag.Int("seeds", 200, "how many seeds to play")
	first = flag.Uint64("seed", 1, "the first seed")
)

// TestSeeds plays stories; each must keep every promise. One is played again by
// -seed N -seeds 1.
func TestSeeds(t *testing.T) {
	t.Parallel()
	for i := range *seeds {
		seed := *first + uint64(i)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				report := simulation.Run(t.Context(), seed, simulation.Bug{})
				if err := report.Err(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
