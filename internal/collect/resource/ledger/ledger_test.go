package ledger

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/tier"
)

// TestLedgerIsSmall enters a stamp's hundred thousand resources with children.
func TestLedgerIsSmall(t *testing.T) {
	tier.Weighs(t)
	l := New()
	for i := range 400_000 {
		id := fmt.Sprintf("tenant /subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/group/providers/microsoft.compute/disks/%d", i)
		l.Name(id)
		l.Settle(id)
	}
	require.Empty(t, l.open)
	require.Equal(t, 400_000, l.settled.Len())
	require.Less(t, l.Bytes(), 400_000*25)
	l.Reopen("tenant /x")
	require.Equal(t, []string{"tenant /x"}, l.Left())
	l.Name("tenant /x")
	l.Settle("tenant /x")
	require.Empty(t, l.Left())
}
