package recovery

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/diff/diffpage"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/diffs"
	"infrabackup/internal/privsep"
)

// compared is an instance whose backups each have a key of their own, which opens with a file that
// says so.
type compared struct {
	begun []diffs.Input
	out   diffs.Output
}

func (c *compared) KeyFile(_ context.Context, id backup.ID) (flow.KeyFileOutput, error) {
	if id == "gone" {
		return flow.KeyFileOutput{}, fault.Newf(fault.BackupNotFound, "gone")
	}
	return flow.KeyFileOutput{BackupID: id, KeyAge: []byte("of " + id), Public: "age1" + string(id)}, nil
}

func (c *compared) BeginDiff(_ context.Context, in diffs.Input) (control.Begun, error) {
	c.begun = append(c.begun, in)
	return control.Begun{ID: "run"}, nil
}

func (c *compared) Diff(context.Context, string) (diffs.Output, error) { return c.out, nil }

// openers open a backup with a file that names it, or with one that names both.
type openers struct{}

func (openers) OpenKey(_ context.Context, operator privsep.OperatorKey, keyAge []byte, _ string) (privsep.OpenedKey, error) {
	if string(operator.File) != "both" && "of "+string(operator.File) != string(keyAge) {
		return privsep.OpenedKey{}, fault.Newf(fault.KeyDoesNotFit, "it opens another backup")
	}
	return privsep.OpenedKey{}, nil
}

// TestCompare: each backup is opened with the key that was given for it, and an error names its side.
func TestCompare(t *testing.T) {
	key := func(text string) privsep.OperatorKey { return privsep.OperatorKey{File: []byte(text)} }
	for name, test := range map[string]struct {
		a, b backup.ID
		key  string
		ofB  string
		side backup.ID
		code fault.Code
	}{
		"one key for both":        {"a", "b", "both", "", "", ""},
		"a key each":              {"a", "b", "a", "b", "", ""},
		"the keys the wrong way":  {"a", "b", "b", "a", "a", fault.KeyDoesNotFit},
		"one that opens only a":   {"a", "b", "a", "", "b", fault.KeyDoesNotFit},
		"a backup that is gone":   {"a", "gone", "both", "", "gone", fault.BackupNotFound},
		"a backup and itself":     {"a", "a", "both", "", "", fault.Usage},
		"the other key is no use": {"a", "b", "both", "c", "b", fault.KeyDoesNotFit},
	} {
		c := &compared{}
		d := Diffs{Control: c, Keys: openers{}}
		var other *privsep.OperatorKey
		if test.ofB != "" {
			given := key(test.ofB)
			other = &given
		}
		begun, err := d.Compare(t.Context(), DiffRequest{A: test.a, B: test.b, Services: []backup.Service{backup.AD}}, key(test.key), other, "anna")
		require.Equal(t, test.code, fault.CodeOf(err), name)
		if test.code == "" {
			require.Equal(t, "run", begun.ID)
			require.Equal(t, []any{test.a, test.b, "anna"}, []any{c.begun[0].A.BackupID, c.begun[0].B.BackupID, c.begun[0].RequestedBy})
			continue
		}
		require.Empty(t, c.begun, name)
		var side *SideError
		require.Equal(t, test.side != "", errors.As(err, &side), name)
		if side != nil {
			require.Equal(t, test.side, side.Backup, name)
		}
	}
}

// TestOnlyWhoAskedReadsADiff: the result is that of the caller who gave the keys.
func TestOnlyWhoAskedReadsADiff(t *testing.T) {
	c := &compared{}
	d := Diffs{Control: c, Keys: openers{}}
	key := privsep.OperatorKey{File: []byte("both")}
	_, err := d.Compare(t.Context(), DiffRequest{A: "a", B: "b"}, key, nil, "anna")
	require.NoError(t, err)
	c.out = diffs.Output{RequestedBy: "anna", Reader: c.begun[0].Reader, Report: &result.Report{}}
	q := diffpage.Query{Section: diffpage.Changes, Count: 1}
	_, err = d.Page(t.Context(), "run", q, "anna")
	require.NoError(t, err)
	for _, by := range []string{"", "bert", "Anna", "anna ", "anna\x00", "anna\u200b"} {
		_, err = d.Page(t.Context(), "run", q, by)
		require.ErrorIs(t, err, fault.KeyNotHeld, by)
	}
	c.out.Reader = "" // a worker of another version
	_, err = d.Page(t.Context(), "run", q, "")
	require.ErrorIs(t, err, fault.KeyNotHeld)
}
