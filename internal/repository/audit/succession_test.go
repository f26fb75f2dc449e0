package audit_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/seal"
	"infrabackup/internal/share/sharetest"
	"infrabackup/tests/tier"
)

// TestASuccessorMayBeEndedAtAnyMoment: a controller with a key of its own takes a share
// over. What it had entered before it ended is its own, and no reason to refuse it when it
// is begun again, whether the operator gave the former keys or the share's list is used.
func TestASuccessorMayBeEndedAtAnyMoment(t *testing.T) {
	for name, given := range map[string]bool{"with the former keys": true, "with the share's list": false} {
		for way, do := range map[string]func(k *fixture, repo *repository.Repository, h *repositorytest.Heads, signers audit.Signers, old backup.LedgerHead) error{
			"taken over": func(k *fixture, repo *repository.Repository, h *repositorytest.Heads, signers audit.Signers, _ backup.LedgerHead) error {
				return audit.TakeOver(k.T.Context(), repo, k.Writer(repo, h), h.Newest, signers, "op")
			},
			"begun again": func(k *fixture, repo *repository.Repository, h *repositorytest.Heads, signers audit.Signers, old backup.LedgerHead) error {
				return audit.Restart(k.T.Context(), repo, k.Writer(repo, h), h.Newest, old, signers, "op")
			},
		} {
			t.Run(way+" "+name, func(t *testing.T) {
				for _, how := range []sharetest.Way{sharetest.Before, sharetest.After} {
					for n := 1; ; n += tier.Size(4, 1, 1) {
						k := newFixture(t, 3)
						k.BackUp()
						k.Publish(k.Put())
						require.NoError(t, k.Repo.WriteInstanceFiles(t.Context(), k.Signers))
						next, h := k.successor(), &repositorytest.Heads{}
						old := backup.LedgerHead{}
						if way == "begun again" {
							h.Newest, old = k.Head, k.Head
							require.NoError(t, os.Remove(k.Path(backup.LedgerDir, backup.LedgerFile(1))))
						}
						signers := trusting(nil)
						if given {
							signers = trusting(k.Signers)
						}
						store := &sharetest.Crashing{Store: k.Store, At: n, Way: how}
						err := do(next, repository.New(store, "local"), h, signers, old)
						if store.Down {
							require.ErrorIs(t, err, sharetest.ErrCrashed)
						} else {
							require.NoError(t, err)
						}
						require.NoError(t, do(next, k.Repo, h, signers, old), "again, after change %d", n)
						w := next.Writer(k.Repo, h)
						w.Trust(keysOf(t, k.Signers)...)
						requireSound(t, k, w.Trusted(), h, 2)
						require.NoError(t, do(next, k.Repo, h, signers, old), "again, when the share's list has both keys")
						if !store.Down {
							break
						}
					}
				}
			})
		}
	}
}

// keysOf are the keys of a list, in the form of authorized_keys.
func keysOf(t *testing.T, list []byte) []string {
	t.Helper()
	keys, err := seal.ParseAllowedSigners(list)
	require.NoError(t, err)
	return keys
}

// TestASuccessorTrustsNobodyElse: that its own entries count gives nobody else's that right.
func TestASuccessorTrustsNobodyElse(t *testing.T) {
	k := newFixture(t, 3)
	k.BackUp()
	require.NoError(t, k.Repo.WriteInstanceFiles(t.Context(), k.Signers))
	stranger, h := k.successor(), &repositorytest.Heads{Newest: k.Head}
	require.NoError(t, stranger.Writer(k.Repo, h).Append(t.Context(), k.Operation(1)))
	next := k.successor()
	for _, signers := range [][]byte{k.Signers, nil} {
		err := audit.TakeOver(t.Context(), k.Repo, next.Writer(k.Repo, &repositorytest.Heads{}), backup.LedgerHead{}, trusting(signers), "op")
		require.ErrorIs(t, err, fault.LedgerDamaged)
	}
}
