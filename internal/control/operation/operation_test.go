package operation

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/restore"
)

// TestRestored: whatever was not brought back makes a restore no success, and is counted.
func TestRestored(t *testing.T) {
	var whole Operation
	whole.Restored(flow.RestoreResult{PlanID: "ab", Totals: restore.Totals{Confirmed: 3, Unneeded: 2}})
	require.Nil(t, whole.Fault)
	require.Equal(t, 3, whole.Restore.Confirmed)
	for name, out := range map[string]flow.RestoreResult{
		"refused by the target": {Totals: restore.Totals{Refused: 1}},
		"blocked":               {Totals: restore.Totals{Blocked: 1}},
		"failed":                {Totals: restore.Totals{Failed: 1}},
		"not begun":             {Totals: restore.Totals{Undone: 1}},
		"names of the source":   {Totals: restore.Totals{Residual: 1}},
		"refused by the plan":   {Refused: 1},
	} {
		var o Operation
		o.Restored(out)
		require.ErrorIs(t, o.Fault, fault.RestoreIncomplete, name)
		require.Contains(t, o.Fault.Message(), " 1 ", name)
	}
}
