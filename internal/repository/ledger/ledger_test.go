package ledger

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

func TestCheckIntact(t *testing.T) {
	head := func(n int64, digit string) backup.LedgerHead {
		return backup.LedgerHead{Sequence: n, SHA256: strings.Repeat(digit, 64)}
	}
	for name, c := range map[string]struct {
		ledger Ledger
		head   backup.LedgerHead
		want   fault.Code
	}{
		"none yet":                           {Ledger{}, backup.LedgerHead{}, ""},
		"nobody kept a head":                 {Ledger{head: head(3, "a")}, backup.LedgerHead{}, ""},
		"as far as its head":                 {Ledger{head: head(3, "a")}, head(3, "a"), ""},
		"further than its head":              {Ledger{head: head(4, "a")}, head(3, "b"), ""},
		"further, and watched":               {Ledger{head: head(4, "a"), watch: head(3, "b")}, head(3, "b"), ""},
		"gone":                               {Ledger{}, head(1, "a"), fault.LedgerRolledBack},
		"cut":                                {Ledger{head: head(2, "a")}, head(3, "b"), fault.LedgerRolledBack},
		"another newest entry":               {Ledger{head: head(3, "a")}, head(3, "b"), fault.LedgerDamaged},
		"another entry below":                {Ledger{head: head(4, "a"), watch: head(3, "c")}, head(3, "b"), fault.LedgerDamaged},
		"no entry below":                     {Ledger{head: head(4, "a"), watch: backup.LedgerHead{Sequence: 3}}, head(3, "b"), fault.LedgerDamaged},
		"something is wrong with an entry":   {Ledger{head: head(3, "a"), Findings: []backup.Finding{{File: "f", Message: "m"}}}, head(3, "a"), fault.LedgerDamaged},
		"something is wrong, and it was cut": {Ledger{head: head(2, "a"), Findings: []backup.Finding{{File: "f", Message: "m"}}}, head(3, "a"), fault.LedgerDamaged},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, fault.CodeOf(c.ledger.CheckIntact(c.head))) })
	}
}

const testID = backup.ID("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")

// Whoever a backup key was ever wrapped to may know it, until there is another one.
func TestExposedKeysAreRemembered(t *testing.T) {
	recipients := func(names ...string) (all []backup.Recipient) {
		for _, name := range names {
			all = append(all, backup.Recipient{Kind: "x25519", Fingerprint: name})
		}
		return all
	}
	l := &Ledger{states: map[backup.ID]*State{}}
	for _, step := range []struct {
		action     backup.LedgerAction
		recipients []string
		want       []string
	}{
		{backup.LedgerCreated, []string{"a", "b"}, []string{"a", "b"}},
		{backup.LedgerRewrapped, []string{"c"}, []string{"a", "b", "c"}},
		{backup.LedgerRewrapped, []string{"b", "d"}, []string{"a", "b", "c", "d"}},
		{backup.LedgerReencrypted, []string{"d"}, []string{"d"}},
		{backup.LedgerDeleted, nil, []string{"d"}},
	} {
		l.take(backup.LedgerEntry{Action: step.action, BackupID: testID, Recipients: recipients(step.recipients...), SumsSHA256: "x"})
		s, _ := l.State(testID)
		require.Equal(t, step.want, s.Exposed, step.action)
	}
}
