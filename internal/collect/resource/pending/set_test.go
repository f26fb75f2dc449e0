package pending

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/tier"
)

// TestSetIsSmall enters a stamp's hundred thousand resources with children.
func TestSetIsSmall(t *testing.T) {
	tier.Weighs(t)
	s := New()
	for i := range 400_000 {
		id := fmt.Sprintf("tenant /subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/group/providers/microsoft.compute/disks/%d", i)
		s.Name(id)
		s.Settle(id)
	}
	require.Empty(t, s.open)
	require.Equal(t, 400_000, s.settled.Len())
	require.Less(t, s.Bytes(), 400_000*25)
	s.Reopen("tenant /x")
	require.Equal(t, []string{"tenant /x"}, s.Left())
	s.Name("tenant /x")
	s.Settle("tenant /x")
	require.Empty(t, s.Left())
}
