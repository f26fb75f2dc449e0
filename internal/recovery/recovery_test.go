package recovery

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/privsep"
	"infrabackup/internal/seal"
)

const id = backup.ID("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")

// instance is one whose backup has a key, and what it was asked to restore.
type instance struct {
	file  flow.KeyFileOutput
	err   error
	began []flow.RestoreInput
	none  bool
}

func (i *instance) KeyFile(_ context.Context, asked backup.ID) (flow.KeyFileOutput, error) {
	i.file.BackupID = asked
	return i.file, i.err
}

func (i *instance) BeginRestore(_ context.Context, in flow.RestoreInput) (control.Begun, error) {
	i.began = append(i.began, in)
	if i.none {
		return control.Begun{}, nil
	}
	return control.Begun{ID: "run"}, nil
}

// keys opens in this process what a child opens otherwise.
type keys struct{}

func (keys) OpenKey(_ context.Context, operator privsep.OperatorKey, keyAge []byte, public string) (privsep.OpenedKey, error) {
	ids, err := seal.ParseIdentities(operator.File)
	if err != nil {
		return privsep.OpenedKey{}, err
	}
	key, err := seal.OpenBackupKey(keyAge, ids)
	if err == nil && key.Public() != public {
		err = fault.Newf(fault.BackupDamaged, "another key")
	}
	return privsep.OpenedKey{Key: key, Recipients: []string{ids[0].Public()}}, err
}

func TestBeginRestore(t *testing.T) {
	text, recipient, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	public, keyAge, err := seal.MakeWrappedKey([]string{recipient.Text})
	require.NoError(t, err)
	other, _, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	operator := privsep.OperatorKey{File: []byte(text.Reveal())}
	newOne := func() (*instance, Restorer) {
		i := &instance{file: flow.KeyFileOutput{Public: public, KeyAge: keyAge}}
		return i, Restorer{Control: i, Keys: keys{}, Target: "site-b", Production: true}
	}

	i, r := newOne()
	begun, err := r.BeginRestore(t.Context(), id, []backup.Service{backup.CA, backup.AD}, operator, "alice")
	require.NoError(t, err)
	require.Equal(t, "run", begun.ID)
	in := i.began[0]
	handed, err := seal.ParseIdentities([]byte(in.Key.Reveal()))
	require.NoError(t, err)
	require.Equal(t, public, handed[0].Public(), "the key of this backup, and not the operator's")
	require.Equal(t, []string{recipient.Text}, in.First.Recipients, "the operator can read the plan later")
	require.Equal(t, []backup.Service{backup.CA, backup.AD}, in.First.Selection.Services)
	require.True(t, in.First.Production)
	require.Empty(t, in.Consent, "to nothing that cannot be undone")
	require.Equal(t, []any{id, "site-b", "alice", ""}, []any{in.BackupID, in.Target, in.RequestedBy, in.PlanID})

	i, r = newOne()
	r.Production = false
	_, err = r.BeginRestore(t.Context(), id, []backup.Service{backup.CA}, operator, "alice")
	require.NoError(t, err)
	require.Equal(t, []backup.Service{backup.CA}, i.began[0].First.Selection.Services)
	require.False(t, i.began[0].First.Production)

	for name, test := range map[string]struct {
		operator string
		change   func(*instance)
		code     fault.Code
	}{
		"another operator":  {other.Reveal(), func(*instance) {}, fault.KeyDoesNotFit},
		"no key":            {"canary", func(*instance) {}, fault.KeyInvalid},
		"another backup's":  {text.Reveal(), func(i *instance) { i.file.Public = "age1x" }, fault.BackupDamaged},
		"no worker answers": {text.Reveal(), func(i *instance) { i.err = fault.Newf(fault.NoWorker, "none") }, fault.NoWorker},
	} {
		i, r := newOne()
		test.change(i)
		_, err := r.BeginRestore(t.Context(), id, []backup.Service{backup.CA}, privsep.OperatorKey{File: []byte(test.operator)}, "alice")
		require.ErrorIs(t, err, test.code, name)
		require.Empty(t, i.began, name)
	}
	i, r = newOne()
	_, err = r.BeginRestore(t.Context(), id, nil, operator, "alice")
	require.ErrorIs(t, err, fault.RequestRefused, "none is not all")
	require.Empty(t, i.began)
	i.none = true
	_, err = r.BeginRestore(t.Context(), id, []backup.Service{backup.CA}, operator, "alice")
	require.ErrorIs(t, err, fault.AnswerRefused)
}
