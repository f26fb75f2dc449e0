package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

func TestVerifyAllOfAnInstanceThatIsGone(t *testing.T) {
	root := t.TempDir()
	head := "7:" + strings.Repeat("a", 64)
	for name, tc := range map[string]struct {
		from string
		make string
	}{
		"nothing is there":         {from: root},
		"its own folder was named": {from: filepath.Join(root, "lab")},
		"an empty folder is left":  {from: root, make: filepath.Join(root, "lab")},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.make != "" {
				require.NoError(t, os.Mkdir(tc.make, 0o700))
				t.Cleanup(func() { require.NoError(t, os.Remove(tc.make)) })
			}
			args := []string{"backup", "verify", "--all", "--instance", "lab", "--from", tc.from, "-o", "json"}
			out := call(t, "", nil, args...)
			require.Equal(t, fault.BackupNotFound.Exit(), out.code, "no head says that anything was there")
			out = call(t, "", nil, append(args, "--ledger-head", head)...)
			require.Equal(t, fault.ExitDamaged, out.code, out.stderr)
			var audit backup.Audit
			require.NoError(t, json.Unmarshal([]byte(out.stdout), &audit), out.stdout)
			require.Len(t, audit.Findings, 1)
			require.Equal(t, string(fault.LedgerRolledBack), audit.Findings[0].Code)
		})
	}
	out := call(t, "", nil, "backup", "verify", "--all", "--instance", "lab", "--from", filepath.Join(root, "nowhere"), "--ledger-head", head)
	require.NotZero(t, out.code)
	require.NotEqual(t, fault.ExitDamaged, out.code, "a wrong path is no alarm")
}
