package simulation_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/crm-connector/crm-connector/connector/internal/simulation"
)

var (
	seeds = flag.Int("seeds", 200, "how many seeds to play")
	first = flag.Uint64("seed", 1, "the first seed")
)

// TestSeedTellsOneStory plays a story twice: a seed that does not reproduce its
// run is of no use to anyone.
func TestSeedTellsOneStory(t *testing.T) {
	t.Parallel()
	for seed := uint64(1); seed <= 20; seed++ {
		var stories [2]string
		for i := range stories {
			synctest.Test(t, func(t *testing.T) {
				report := simulation.Run(t.Context(), seed, simulation.Bug{})
				stories[i] = strings.Join(report.Story, "\n")
			})
		}
		if stories[0] != stories[1] {
			t.Errorf("seed %d tells two stories:\n%s\n\nand\n\n%s", seed, stories[0], stories[1])
		}
	}
}

// TestBugsAreCaught plants mistakes, one at a time, and plays stories until the
// oracle notices. A mistake that it never notices is a hole in the oracle.
func TestBugsAreCaught(t *testing.T) {
	t.Parallel()
	for _, bug := range simulation.Bugs() {
		t.Run(bug.Name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= 400; seed++ {
				caught := false
				synctest.Test(t, func(t *testing.T) {
					report := simulation.Run(t.Context(), seed, bug)
					caught = report.Err() != nil
				})
				if caught {
					t.Logf("caught by seed %d", seed)
					return
				}
			}
			t.Error("no seed noticed")
		})
	}
}

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
