package repository

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A share that an earlier version wrote to has that version's instructions, and no
// finding; any other text is one.
func TestEveryTextOfTheInstructionsIsKnown(t *testing.T) {
	require.True(t, knownRecovery(RecoveryText("local"), "local"))
	require.True(t, knownRecovery(recoveryOf(recoveryText1, "local"), "local"))
	require.True(t, knownRecovery(recoveryOf(recoveryText2, "local"), "local"))
	require.False(t, knownRecovery(RecoveryText("other"), "local"))
	require.False(t, knownRecovery(append(RecoveryText("local"), '\n'), "local"))
	require.NotContains(t, string(RecoveryText("local")), "@INSTANCE@")
}
