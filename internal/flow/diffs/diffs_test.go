package diffs

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

// TestCheck: what this product does not send is refused.
func TestCheck(t *testing.T) {
	key := secret.NewTransfer(secret.New("key"))
	input := func(change func(*Input)) Input {
		in := Input{Instance: "local", A: Side{"0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", key}, B: Side{"0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a12", key}, Services: []backup.Service{backup.AD}}
		change(&in)
		return in
	}
	require.NoError(t, input(func(*Input) {}).Check("local"))
	for name, change := range map[string]func(*Input){
		"another instance": func(in *Input) { in.Instance = "other" },
		"no backup":        func(in *Input) { in.B.BackupID = "" },
		"a folder":         func(in *Input) { in.A.BackupID = "../x" },
		"no key":           func(in *Input) { in.A.Key = secret.Transfer{} },
		"no other key":     func(in *Input) { in.B.Key = secret.Transfer{} },
		"a long key":       func(in *Input) { in.B.Key = secret.NewTransfer(secret.New(strings.Repeat("k", maxKeyText+1))) },
		"no service":       func(in *Input) { in.Services = []backup.Service{"DNS"} },
		"many services":    func(in *Input) { in.Services = make([]backup.Service, 100) },
		"a long name":      func(in *Input) { in.RequestedBy = strings.Repeat("n", maxRequester+1) },
		"a long digest":    func(in *Input) { in.Reader = strings.Repeat("n", maxRequester+1) },
	} {
		require.ErrorIs(t, input(change).Check("local"), fault.RequestRefused, name)
	}
}

func TestSummary(t *testing.T) {
	require.Equal(t, &Summary{}, Output{}.Summary())
	r := &result.Report{A: result.Side{BackupID: "a"}, B: result.Side{BackupID: "b"}, Access: result.Access{Gained: 1, Lost: 2},
		Services: []result.Service{{Added: 1, Removed: 2, Changed: 3, Moved: 4}, {Added: 10, Removed: 20, Changed: 30, Moved: 40}}}
	require.Equal(t, &Summary{A: "a", B: "b", Added: 11, Removed: 22, Changed: 33, Moved: 44, Gained: 1, Lost: 2}, Output{Report: r}.Summary())
}
