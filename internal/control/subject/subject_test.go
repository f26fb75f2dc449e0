package subject

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// TestAnswersAreComparedWithTheQuestion lets answers be about other backups.
func TestAnswersAreComparedWithTheQuestion(t *testing.T) {
	const asked, other = backup.ID("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"), backup.ID("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a12")
	require.NoError(t, About(asked, asked))
	require.ErrorIs(t, About(asked, other), fault.AnswerRefused)
	require.ErrorIs(t, About(asked, ""), fault.AnswerRefused)
	require.NoError(t, Named(asked))
	require.ErrorIs(t, Named("../x"), fault.AnswerRefused)
	keys := []flow.WrappedKey{{BackupID: asked}}
	require.NoError(t, AboutEach(keys, nil))
	require.NoError(t, AboutEach(keys, []flow.ReplacedBackup{{BackupID: asked}}))
	require.ErrorIs(t, AboutEach(keys, []flow.ReplacedBackup{{BackupID: other}}), fault.AnswerRefused)
	require.ErrorIs(t, AboutEach(keys, []flow.ReplacedBackup{{BackupID: asked}, {BackupID: asked}}), fault.AnswerRefused)
}
