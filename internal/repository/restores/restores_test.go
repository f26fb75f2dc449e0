package restores_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/repository"
	"infrabackup/internal/restore/statedir"
	"infrabackup/internal/restore/statedir/statedirtest"
	"infrabackup/internal/share/dir"
)

func TestOnAShare(t *testing.T) {
	place := t.TempDir()
	statedirtest.Run(t, func(t *testing.T) statedir.Store {
		store, err := dir.Open(place)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		return repository.New(store, "local").Restores()
	})
}
