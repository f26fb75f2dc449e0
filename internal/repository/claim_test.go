package repository

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
)

func FuzzDecodeClaim(f *testing.F) {
	f.Add([]byte(`{"controllerId":"` + testController + `","instance":"local","since":"2026-11-22T08:30:00Z"}`))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decodeClaim(data)
		if err != nil {
			return
		}
		_, err = backup.ParseID(c.ControllerID)
		require.NoError(t, err)
		require.NoError(t, backup.ValidateInstanceName(c.Instance))
	})
}

const testController = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
