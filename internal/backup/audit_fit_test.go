package backup

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// filled is an audit of a share that somebody filled with rubbish, in which one backup was
// removed.
func filled(backups, findings, names int) Audit {
	odd := strings.Repeat("\u202e", 255)
	a := Audit{Began: time.Unix(1_800_000_000, 0).UTC(), Findings: []Finding{}}
	for i := range findings {
		a.Findings = append(a.Findings, Finding{Code: "LEDGER_DAMAGED", File: fmt.Sprintf("local/ledger/%d%s", i, odd), Message: odd + odd}.Clip())
	}
	a.Findings = append(a.Findings, Finding{Code: "BACKUP_MISSING", File: "local/backups/x", Message: "it was removed"})
	for i := range backups {
		v := Verdict{BackupID: ID(fmt.Sprintf("00000000-0000-4000-8000-%012d", i)), Path: fmt.Sprintf("local/backups/%d", i), Signer: strings.Repeat("s", 50)}
		for j := range findings {
			v.Findings = append(v.Findings, Finding{Code: "BACKUP_DAMAGED", File: fmt.Sprintf("%s/%d%s", v.Path, j, odd), Message: odd}.Clip())
		}
		if findings > 0 {
			v.Findings = append(v.Findings, Finding{Code: "BACKUP_FORGED", File: v.Path + "/SHA256SUMS.sig", Message: "by an unknown key"})
		}
		for j := range names {
			v.Foreign.Add(fmt.Sprintf("%s/%d%s", v.Path, j, odd))
		}
		a.Add(v)
	}
	return a
}

// TestAnAuditFits: whatever names and how many files others leave, an audit can be carried,
// and says of each backup whether it is good, and that one was removed.
func TestAnAuditFits(t *testing.T) {
	for name, a := range map[string]Audit{
		"as it is meant":         filled(14, 0, 0),
		"many foreign names":     filled(14, 0, 1000),
		"many findings":          filled(14, 65, 100),
		"as many as are audited": filled(2000, 3, 10),
	} {
		t.Run(name, func(t *testing.T) {
			whole, err := json.Marshal(a)
			require.NoError(t, err)
			good, bad, foreign := a.Good(), 0, 0
			for _, v := range a.Backups {
				foreign += v.Foreign.Count
				if len(v.Findings) > 0 {
					bad++
				}
			}
			a.Fit()
			text, err := json.Marshal(a)
			require.NoError(t, err)
			require.LessOrEqual(t, len(text), MaxAuditBytes)
			if len(whole) <= MaxAuditBytes {
				require.JSONEq(t, string(whole), string(text))
			}
			require.Equal(t, good, a.Good())
			require.Contains(t, string(text), "BACKUP_MISSING")
			for _, v := range a.Backups {
				foreign -= v.Foreign.Count
				if len(v.Findings) > 0 {
					bad--
				}
			}
			require.Zero(t, bad)
			require.Zero(t, foreign)
			if name == "as many as are audited" {
				last := a.Backups[0].Findings
				require.Len(t, last, 1)
				require.Equal(t, 1, strings.Count(last[0].Message, "left out"))
				require.Contains(t, last[0].Message, "3 more findings")
			}
		})
	}
}
