package provider

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/apierror"
	"infrabackup/internal/auth"
	"infrabackup/internal/fault"
	"infrabackup/internal/rp"
)

// TestWhyNothingWasDoneToTokens: one code for each cause, and the words of the file's faults, which
// name paths of this host, are for the log.
func TestWhyNothingWasDoneToTokens(t *testing.T) {
	require.NoError(t, tokenError(nil))
	for code, tc := range map[string]struct {
		err    error
		status int
	}{
		"TokenNameTaken":    {auth.ErrNameTaken, http.StatusConflict},
		"ResourceNotFound":  {fault.Newf(fault.ItemNotFound, "none"), http.StatusNotFound},
		"TooManyTokens":     {fault.Newf(fault.LimitExceeded, "there are 500"), http.StatusConflict},
		"TokensUnavailable": {fault.Newf(fault.ConfigInvalid, "/var/lib/x is not private"), http.StatusServiceUnavailable},
	} {
		var f *apierror.Error
		require.True(t, errors.As(tokenError(tc.err), &f), code)
		require.Equal(t, code, f.Code)
		require.Equal(t, tc.status, f.Status, code)
		require.NotContains(t, f.Message, "/var/lib")
		if code != "ResourceNotFound" {
			require.ErrorIs(t, f, tc.err)
		}
	}
}

// TestAFileThatCannotBeReadMakesNoTokens.
func TestAFileThatCannotBeReadMakesNoTokens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.json")
	opened, err := auth.OpenTokens(t.Context(), auth.TokensConfig{Path: path})
	require.NoError(t, err)
	all := APITokens(opened)
	made, _, err := all.Create(t.Context(), rp.NewToken{Name: "a", Role: "owner", By: "anna", Lifetime: time.Hour})
	require.NoError(t, err)
	require.Equal(t, "anna", made.CreatedBy)
	require.Zero(t, made.LastUsed)
	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	_, _, err = all.Create(t.Context(), rp.NewToken{Name: "b", Role: "owner", By: "anna", Lifetime: time.Hour})
	require.ErrorIs(t, err, fault.ConfigInvalid)
	_, err = all.List(t.Context())
	require.ErrorIs(t, err, fault.ConfigInvalid)
	_, err = all.Revoke(t.Context(), made.ID)
	require.ErrorIs(t, err, fault.ConfigInvalid)
}
