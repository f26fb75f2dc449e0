package control

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
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
