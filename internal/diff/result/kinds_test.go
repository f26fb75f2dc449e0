package result

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCount: kinds add up to their service, however many there are.
func TestCount(t *testing.T) {
	var s Service
	for n := range 3 * maxKinds {
		for _, how := range []How{Added, Removed, Changed, Moved, Renamed} {
			s.Count(fmt.Sprintf("kind-%04d", (n*7)%(3*maxKinds)), how)
		}
	}
	require.Len(t, s.Kinds, maxKinds+1)
	var sum Kind
	for i, k := range s.Kinds {
		require.True(t, i == 0 || s.Kinds[i-1].Kind < k.Kind, "sorted, and each once")
		sum.Added, sum.Removed, sum.Changed, sum.Moved = sum.Added+k.Added, sum.Removed+k.Removed, sum.Changed+k.Changed, sum.Moved+k.Moved
	}
	require.Equal(t, Kind{Added: 600, Removed: 600, Changed: 600, Moved: 1200}, sum)
	require.Equal(t, []int64{600, 600, 600, 1200}, []int64{s.Added, s.Removed, s.Changed, s.Moved})
}
