package vault_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/azure/writer"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/restoretest"
	"infrabackup/tests/lab/stamp/inventory"
)

// TestAVaultWithAnAddressElsewhere: nothing is sent to an address that is not below the stamp's vault domain.
func TestAVaultWithAnAddressElsewhere(t *testing.T) {
	c := theSource(t).backup
	s := open(t, home, soft)
	d, ok := s.Get(inventory.Tenant, vaultID)
	require.True(t, ok)
	d.Body = json.RawMessage(strings.ReplaceAll(string(d.Body), ".vault."+domain, ".vault.evil.example"))
	s.Put(d)
	want, _, err := s.restorer(false).Wants(c.group(t, s.restorer(false), "/secrets/single/"), nil)
	require.NoError(t, err)
	_, err = s.restorer(false).Live(t.Context(), want[0], nil)
	require.ErrorIs(t, err, fault.TargetRefused)
	require.ErrorContains(t, err, "evil.example")
}

// TestAVaultThatWasDeleted: a vault that is recovered comes with what it held, which is not
// written again then.
func TestAVaultThatWasDeleted(t *testing.T) {
	source := theSource(t)
	s := open(t, home, soft, source.objects...)
	require.NoError(t, writer.New(s.client.Tenant(), quick).Delete(t.Context(), vaultID, "2019-09-01", writer.Match{}))
	p := plan(t, source.backup, s.restorer(false), restore.Selection{})
	require.Equal(t, restore.Undelete, p.Steps[0].Action)
	totals, bad := apply(t, source.backup, s.restorer(false), p, &restoretest.Journal{}, nil)
	require.Empty(t, bad)
	require.Equal(t, restore.Totals{Confirmed: 1, Unneeded: 6}, totals)
}

// TestAVaultThatIsGone: a vault is made first, and then what it holds.
func TestAVaultThatIsGone(t *testing.T) {
	source := theSource(t)
	s := open(t, elsewhere, "")
	require.NoError(t, writer.New(s.client.Tenant(), quick).Delete(t.Context(), vaultID, "2019-09-01", writer.Match{}))
	c := source.backup.without("/keys/signing/")
	p, j := restored(t, c, s, true, restore.Selection{})
	require.Equal(t, "vault", p.Steps[0].Kind)
	require.Contains(t, s.state(), "canary-single")
	undo(t, c, s, p, j)
	require.Empty(t, s.state())
	_, there := s.Get(inventory.Tenant, vaultID)
	require.False(t, there)
}

// TestARequestThatWasOnItsWay: a blob that an earlier try has restored meanwhile is no
// conflict, and one of another object in its place is.
func TestARequestThatWasOnItsWay(t *testing.T) {
	source := theSource(t)
	s := open(t, home, soft)
	r := s.restorer(false)
	wants, _, err := r.Wants(source.backup.group(t, r, "/keys/signing/"), nil)
	require.NoError(t, err)
	absent := restore.State{Digest: restore.AbsentDigest}
	for range 2 {
		require.NoError(t, r.Write(t.Context(), wants[0], r.Verdict(wants[0], absent, nil), absent, nil))
	}
	s.send("DELETE", "/keys/signing", "")
	s.send("DELETE", "/deletedkeys/signing", "")
	s.send("POST", "/keys/signing/create", `{"kty":"EC"}`)
	require.ErrorIs(t, r.Write(t.Context(), wants[0], r.Verdict(wants[0], absent, nil), absent, nil), fault.TargetRefused)
}
