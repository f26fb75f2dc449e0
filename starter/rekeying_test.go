package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator/rekeying"
)

// TestHowRekeyingEnds: the exit code tells of backups that another key opens, and says what
// helps. Another --identity helps only where the given key did not fit.
func TestHowRekeyingEnds(t *testing.T) {
	done := rekeying.Rekeyed{Result: rekeying.Rewrapped}
	failed := rekeying.Rekeyed{Result: rekeying.Failed, Code: string(fault.BackupRolledBack)}
	closed := rekeying.Rekeyed{Result: rekeying.NotOpened, Code: string(fault.KeyDoesNotFit)}
	passed := []backup.Finding{{File: "x", Message: "y"}}
	for name, row := range map[string]struct {
		out  rekeying.Outcome
		code int
		says string
	}{
		"nothing to do":  {rekeying.Outcome{}, fault.ExitOK, ""},
		"all done":       {rekeying.Outcome{Backups: []rekeying.Rekeyed{done}}, fault.ExitOK, ""},
		"one failed":     {rekeying.Outcome{Backups: []rekeying.Rekeyed{done, failed}}, fault.ExitDamaged, "verify --all"},
		"one not opened": {rekeying.Outcome{Backups: []rekeying.Rekeyed{closed, done}}, fault.ExitKeyDoesNotFit, "--identity"},
		"both":           {rekeying.Outcome{Backups: []rekeying.Rekeyed{closed, failed}}, fault.ExitDamaged, "--identity"},
		"one unreadable": {rekeying.Outcome{Backups: []rekeying.Rekeyed{done}, Unreadable: passed}, fault.ExitDamaged, "x was passed over: y"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			r := &rekeyRun{app: &app{process: process{stdout: &stdout, stderr: &stderr}, output: "json"}}
			err := r.finish(row.out)
			if row.code == fault.ExitOK {
				require.NoError(t, err)
			} else {
				require.Equal(t, exitCode(row.code), err)
			}
			require.Contains(t, stderr.String(), row.says)
			require.Contains(t, stdout.String(), `"backups": [`)
		})
	}
}
