package control

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/restores"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/planpage"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
)

// TestKeyFile: an answer is about the backup that was asked for, and has the size of one.
func TestKeyFile(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const id = backup.ID("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")
	for name, test := range map[string]struct {
		answer flow.KeyFileOutput
		failed error
		code   fault.Code
	}{
		"as it is":         {flow.KeyFileOutput{BackupID: id, Public: "age1x", KeyAge: []byte("file")}, nil, ""},
		"of another":       {flow.KeyFileOutput{BackupID: "ffffffff-5a59-4b0e-9a43-5f0f0f7f6a11", KeyAge: []byte("file")}, nil, fault.AnswerRefused},
		"empty":            {flow.KeyFileOutput{BackupID: id}, nil, fault.AnswerRefused},
		"large":            {flow.KeyFileOutput{BackupID: id, KeyAge: make([]byte, seal.MaxKeyFile+1)}, nil, fault.AnswerRefused},
		"a forged backup":  {failed: fault.Newf(fault.BackupForged, "by an unknown key"), code: fault.BackupForged},
		"no such a backup": {failed: fault.Newf(fault.BackupNotFound, "none"), code: fault.BackupNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			s.keyFile = func(in flow.KeyFileInput) (flow.KeyFileOutput, error) {
				require.Equal(t, flow.KeyFileInput{Instance: s.instance, BackupID: id}, in)
				return test.answer, flow.EncodeFault(test.failed)
			}
			out, err := s.KeyFile(t.Context(), id)
			if test.code == "" {
				require.NoError(t, err)
				require.Equal(t, test.answer, out)
				return
			}
			require.ErrorIs(t, err, test.code)
		})
	}
}

// TestRestores: a page is that of the plan that was asked for, and the question names the instance.
func TestRestores(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := strings.Repeat("ab", 32)
	in := restores.Input{PlanID: id, Keys: map[string]secret.Transfer{id: secret.NewTransfer(secret.New("key"))}, Section: planpage.Changes, From: 5, Count: 10}
	for name, test := range map[string]struct {
		answer restores.Output
		failed error
		code   fault.Code
	}{
		"as it is":        {answer: restores.Output{Page: &planpage.Page{PlanID: id, Section: planpage.Changes, From: 5}}},
		"no page":         {restores.Output{List: []restore.Listed{{PlanID: id}}}, nil, fault.AnswerRefused},
		"of another":      {restores.Output{Page: &planpage.Page{PlanID: "cd", Section: planpage.Changes, From: 5}}, nil, fault.AnswerRefused},
		"another section": {restores.Output{Page: &planpage.Page{PlanID: id, Section: planpage.Lost, From: 5}}, nil, fault.AnswerRefused},
		"another page":    {restores.Output{Page: &planpage.Page{PlanID: id, Section: planpage.Changes}}, nil, fault.AnswerRefused},
		"a wrong key":     {failed: fault.Newf(fault.KeyDoesNotFit, "none"), code: fault.KeyDoesNotFit},
	} {
		t.Run(name, func(t *testing.T) {
			s.restores = func(got restores.Input) (restores.Output, error) {
				want := in
				want.Instance = s.instance
				require.Equal(t, want, got)
				return test.answer, flow.EncodeFault(test.failed)
			}
			out, err := s.Restores(t.Context(), in)
			if test.code == "" {
				require.NoError(t, err)
				require.Equal(t, id, out.Page.PlanID)
				return
			}
			require.ErrorIs(t, err, test.code)
		})
	}
	s.restores = func(got restores.Input) (restores.Output, error) {
		require.Equal(t, restores.Input{Instance: s.instance}, got)
		return restores.Output{List: []restore.Listed{{PlanID: id, State: "planned"}}}, nil
	}
	out, err := s.Restores(t.Context(), restores.Input{})
	require.NoError(t, err)
	require.Len(t, out.List, 1)
}
