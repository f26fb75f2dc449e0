package table

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

func TestVerdictWord(t *testing.T) {
	denied := backup.Finding{Code: string(fault.ShareAccessDenied), File: "a"}
	damaged := backup.Finding{Code: string(fault.BackupDamaged), File: "b"}
	require.Equal(t, "good", verdictWord(nil))
	require.Equal(t, "NOT KNOWN, not everything may be read", verdictWord([]backup.Finding{denied, denied}))
	require.Equal(t, "DAMAGED OR FORGED", verdictWord([]backup.Finding{denied, damaged}))
	require.Equal(t, "DAMAGED OR FORGED", verdictWord([]backup.Finding{damaged}))
}
