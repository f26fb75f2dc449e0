package upkeep

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		verdict flow.Verdict
		want    Judgment
	}{
		"none":                   {flow.Verdict{BackupID: id(1)}, Unverified},
		"nothing found":          {flow.Verdict{At: now}, Sound},
		"damage":                 {flow.Verdict{At: now, Code: "BACKUP_DAMAGED"}, Bad},
		"missing":                {flow.Verdict{At: now, Code: "BACKUP_MISSING"}, Bad},
		"back, or put there":     {flow.Verdict{At: now, Code: "BACKUP_UNLISTED"}, Bad},
		"of a later version":     {flow.Verdict{At: now, Code: "BACKUP_HAUNTED"}, Bad},
		"a part was not read":    {flow.Verdict{At: now, Code: "SHARE_ACCESS_DENIED"}, Unclear},
		"its key is in between":  {flow.Verdict{At: now, Code: "REWRAP_UNFINISHED"}, Unclear},
		"the ledger":             {flow.Verdict{At: now, Beside: "LEDGER_DAMAGED"}, Unclear},
		"the list of keys":       {flow.Verdict{At: now, Beside: "BACKUP_FORGED"}, Unclear},
		"of an earlier version":  {flow.Verdict{At: now, Code: "LEDGER_DAMAGED"}, Unclear},
		"damage, and the ledger": {flow.Verdict{At: now, Code: "BACKUP_FORGED", Beside: "LEDGER_DAMAGED"}, Bad},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, Judge(c.verdict)) })
	}
}

// TestEveryCodeIsJudged: codes about a backup speak against it, with those named that do not.
func TestEveryCodeIsJudged(t *testing.T) {
	not := []fault.Code{fault.BackupRunning, fault.BackupNotFound, fault.BackupFailed}
	also := []fault.Code{fault.FormatUnknown, fault.LimitExceeded}
	for _, code := range fault.Codes() {
		want := strings.HasPrefix(string(code), "BACKUP_")
		for _, c := range not {
			want = want && c != code
		}
		for _, c := range also {
			want = want || c == code
		}
		require.Equal(t, want, BadCode(string(code)), "%s", code)
	}
	require.False(t, BadCode(""))
}

// TestNote: what is noted about a backup was found in its own folder.
func TestNote(t *testing.T) {
	const folder = "local/backups/20261129T120000Z_x"
	own := func(code fault.Code) backup.Finding {
		return backup.Finding{Code: string(code), File: folder + "/key.age"}
	}
	other := func(code fault.Code) backup.Finding {
		return backup.Finding{Code: string(code), File: "local/allowed_signers"}
	}
	for name, c := range map[string]struct {
		found  []backup.Finding
		path   string
		ledger *backup.LedgerSeen
		in     flow.VerifyInput
		want   flow.VerdictNote
	}{
		"nothing":                   {path: folder},
		"by the ledger":             {path: folder, ledger: &backup.LedgerSeen{Sequence: 7}, want: flow.VerdictNote{Sequence: 7}},
		"damage":                    {path: folder, found: []backup.Finding{own(fault.BackupDamaged)}, want: flow.VerdictNote{Code: "BACKUP_DAMAGED"}},
		"the folder":                {path: folder, found: []backup.Finding{{Code: "BACKUP_MISSING", File: folder}}, want: flow.VerdictNote{Code: "BACKUP_MISSING"}},
		"a folder of a longer name": {path: folder, found: []backup.Finding{{Code: "BACKUP_UNLISTED", File: folder + "y"}}, want: flow.VerdictNote{Beside: "BACKUP_UNLISTED"}},
		"what is bad comes first": {path: folder, found: []backup.Finding{own(fault.ShareAccessDenied), own(fault.BackupForged), own(fault.BackupDamaged)},
			want: flow.VerdictNote{Code: "BACKUP_FORGED"}},
		"others are no damage": {path: folder, found: []backup.Finding{other(fault.BackupForged), other(fault.LedgerDamaged)}, want: flow.VerdictNote{Beside: "BACKUP_FORGED"}},
		"both":                 {path: folder, found: []backup.Finding{other(fault.LedgerDamaged), own(fault.BackupRolledBack)}, want: flow.VerdictNote{Code: "BACKUP_ROLLED_BACK", Beside: "LEDGER_DAMAGED"}},
		"neither there nor known": {found: []backup.Finding{{Code: "LEDGER_DAMAGED", File: "local/ledger"}},
			want: flow.VerdictNote{Code: "LEDGER_DAMAGED", Beside: "LEDGER_DAMAGED"}},
		"the backup alone": {path: folder, found: []backup.Finding{other(fault.BackupForged)}, in: flow.VerifyInput{BackupOnly: true, Sequence: 5},
			want: flow.VerdictNote{BackupOnly: true, Sequence: 5}},
		"the backup alone, and the audit has found something": {path: folder, in: flow.VerifyInput{BackupOnly: true, Sequence: 5, Found: "BACKUP_ROLLED_BACK"},
			want: flow.VerdictNote{BackupOnly: true, Sequence: 5, Code: "BACKUP_ROLLED_BACK"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.want.BackupID = id(1)
			require.Equal(t, c.want, Note(backup.Verdict{BackupID: id(1), Path: c.path, Findings: c.found, Ledger: c.ledger}, c.in))
		})
	}
}
