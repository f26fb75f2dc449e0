package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// took are runs of these seconds, in the order of rounds.
func took(seconds ...int) []cost {
	all := make([]cost, len(seconds))
	for n, s := range seconds {
		all[n].Wall = time.Duration(s) * time.Second
	}
	return all
}

func TestPairwise(t *testing.T) {
	for name, test := range map[string]struct {
		capture, contender []cost
		median, lowest     float64
	}{
		"one round":                    {took(2), took(3), 1.5, 1.5},
		"the capture with itself":      {took(3, 1, 2), took(3, 1, 2), 1, 1},
		"a machine that slows down":    {took(1, 2, 10), took(2, 4, 20), 2, 2},
		"an even number of rounds":     {took(1, 1), took(1, 3), 2, 1},
		"the lowest is not the first":  {took(2, 2, 4), took(4, 6, 2), 2, 0.5},
		"by rounds, not by their time": {took(1, 4, 2), took(4, 1, 2), 1, 0.25},
	} {
		t.Run(name, func(t *testing.T) {
			median, lowest := pairwise(test.capture, test.contender)
			require.Equal(t, test.median, median)
			require.Equal(t, test.lowest, lowest)
		})
	}
}

func TestMiddleKeepsTheOrderOfRounds(t *testing.T) {
	all := took(3, 1, 2)
	require.Equal(t, 2*time.Second, middle(all).Wall)
	require.Equal(t, took(3, 1, 2), all)
	require.Equal(t, took(1, 2, 3), byTime(all))
}
