package audit_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/seal"
)

// tamperFixture is a share with a history: five backups that are there, the second of them
// rewrapped, one that was deleted and one that was pruned.
type tamperFixture struct {
	*fixture
	deleted       *fixtureBackup
	beforeDelete  string            // copy of the instance's folder when all was there
	beforeRewrap  map[string][]byte // of the second backup
	deletedFolder string            // copy of the deleted backup
	strange       string            // folder of a backup that a row made
}

func newTamperFixture(t *testing.T) *tamperFixture {
	t.Helper()
	s := &tamperFixture{fixture: newFixture(t, 7), beforeRewrap: map[string][]byte{}}
	s.Enter(s.Entry(backup.LedgerBegun, nil))
	for range 4 {
		s.BackUp()
	}
	s.beforeDelete = s.Snapshot()
	s.deleted = s.Live[1]
	s.deletedFolder = filepath.Join(s.beforeDelete, backup.BackupsDir, s.deleted.Folder)
	s.Remove(s.deleted, backup.LedgerDeleted)
	s.Remove(s.Live[0], backup.LedgerPruned)
	for _, name := range repositorytest.KeyFiles {
		s.beforeRewrap[name] = s.read(s.Of(s.Live[1], name))
	}
	s.Rewrap(s.Live[1])
	for range 3 {
		s.BackUp()
	}
	s.RequireGood()
	return s
}

func (s *tamperFixture) read(name string) []byte {
	s.T.Helper()
	data, err := os.ReadFile(name)
	require.NoError(s.T, err)
	return data
}

func (s *tamperFixture) write(name string, data []byte) {
	s.T.Helper()
	require.NoError(s.T, os.WriteFile(name, data, 0o600))
}

func (s *tamperFixture) move(from, to string) {
	s.T.Helper()
	require.NoError(s.T, os.Rename(from, to))
}

func (s *tamperFixture) swap(a, b string) {
	s.T.Helper()
	s.move(a, a+".swap")
	s.move(b, a)
	s.move(a+".swap", b)
}

// ledger is the file of an entry.
func (s *tamperFixture) ledger(sequence int64) string {
	return s.Path(backup.LedgerDir, backup.LedgerFile(sequence))
}

// cut removes the newest n entries.
func (s *tamperFixture) cut(n int64) {
	s.T.Helper()
	for i := range n {
		require.NoError(s.T, os.Remove(s.ledger(s.Head.Sequence-i)))
	}
}

// want is a finding that has to be there: its code and the end of its file.
type want struct {
	code fault.Code
	file string
}

// requireFound makes sure that the audit has all that is wanted, each where it belongs.
func (s *tamperFixture) requireFound(found backup.Audit, wants ...want) {
	s.T.Helper()
	require.False(s.T, found.Good())
	for _, w := range wants {
		there := false
		for _, f := range repositorytest.All(found) {
			there = there || f.Code == string(w.code) && strings.HasSuffix(f.File, w.file)
		}
		require.True(s.T, there, "%s %s is not in %+v", w.code, w.file, repositorytest.All(found))
	}
	for _, v := range found.Backups {
		for _, f := range v.Findings {
			require.True(s.T, strings.HasPrefix(f.File, v.Path), "%+v is not of %s", f, v.Path)
		}
	}
	for _, f := range repositorytest.All(found) {
		require.True(s.T, fault.Code(f.Code).Known(), f.Code)
		require.NotEmpty(s.T, f.Message)
	}
}

func TestEveryChangedFileIsFound(t *testing.T) {
	s := newTamperFixture(t)
	var names []string
	for _, b := range s.Live[1:3] {
		for _, f := range []string{backup.ManifestFile, backup.KeyFile, backup.CatalogFile, backup.SumsFile, backup.SignatureFile, backup.PartFile(backup.AD)} {
			names = append(names, s.Of(b, f))
		}
	}
	for n := range s.Head.Sequence {
		names = append(names, s.ledger(n+1))
	}
	for _, name := range names {
		for damage, change := range repositorytest.Damages {
			local, err := filepath.Rel(s.Folder, name)
			require.NoError(t, err)
			t.Run(damage+" "+local, func(t *testing.T) {
				before := s.read(name)
				defer s.write(name, before)
				if change == nil {
					require.NoError(t, os.Remove(name))
				} else {
					s.write(name, change(bytes.Clone(before)))
				}
				// Which of the codes it is depends on where in the file the change is.
				found := s.Verify(s.Options())
				named := false
				for _, f := range repositorytest.All(found) {
					named = named || f.File == filepath.ToSlash(local)
				}
				require.True(t, named, "%+v", repositorytest.All(found))
			})
		}
	}
	s.RequireGood()
}

// tampering is a row of what an audit promises to find.
type tampering struct {
	do    func(*tamperFixture)
	wants func(*tamperFixture) []want
	blind bool // it is found with the head only
}

func wanted(code fault.Code, file string) func(*tamperFixture) []want {
	return func(*tamperFixture) []want { return []want{{code, file}} }
}

var tamperings = map[string]tampering{
	"two files of one backup swapped": {
		do: func(s *tamperFixture) {
			s.swap(s.Of(s.Live[0], backup.CatalogFile), s.Of(s.Live[0], backup.PartFile(backup.AD)))
		},
		wants: func(s *tamperFixture) []want {
			return []want{{fault.BackupDamaged, s.Live[0].Folder + "/" + backup.CatalogFile}, {fault.BackupDamaged, s.Live[0].Folder + "/" + backup.PartFile(backup.AD)}}
		},
	},
	"the same file of two backups swapped": {
		do: func(s *tamperFixture) {
			s.swap(s.Of(s.Live[0], backup.PartFile(backup.AD)), s.Of(s.Live[2], backup.PartFile(backup.AD)))
		},
		wants: func(s *tamperFixture) []want {
			return []want{{fault.BackupDamaged, s.Live[0].Folder + "/" + backup.PartFile(backup.AD)}, {fault.BackupDamaged, s.Live[2].Folder + "/" + backup.PartFile(backup.AD)}}
		},
	},
	"a backup deleted": {
		do:    func(s *tamperFixture) { require.NoError(s.T, os.RemoveAll(s.Of(s.Live[2]))) },
		wants: func(s *tamperFixture) []want { return []want{{fault.BackupMissing, s.Live[2].Folder}} },
	},
	"the newest backup deleted": {
		do:    func(s *tamperFixture) { require.NoError(s.T, os.RemoveAll(s.Of(s.Live[4]))) },
		wants: func(s *tamperFixture) []want { return []want{{fault.BackupMissing, s.Live[4].Folder}} },
	},
	"the newest backup and its entry deleted": {
		do: func(s *tamperFixture) { require.NoError(s.T, os.RemoveAll(s.Of(s.Live[4]))); s.cut(1) },
		wants: func(s *tamperFixture) []want {
			return []want{{fault.LedgerRolledBack, backup.LedgerFile(s.Head.Sequence)}}
		},
		blind: true,
	},
	"a manifest rolled back": {
		do: func(s *tamperFixture) {
			s.write(s.Of(s.Live[2], backup.ManifestFile), s.read(s.Of(s.Live[1], backup.ManifestFile)))
		},
		wants: func(s *tamperFixture) []want {
			return []want{{fault.BackupDamaged, s.Live[2].Folder + "/" + backup.ManifestFile}}
		},
	},
	"the ledger cut": {
		do: func(s *tamperFixture) { s.cut(3) },
		wants: func(s *tamperFixture) []want {
			return []want{{fault.LedgerRolledBack, backup.LedgerFile(s.Head.Sequence)}, {fault.BackupUnlisted, s.Live[4].Folder}}
		},
	},
	"everything restored from an earlier copy": {
		do: func(s *tamperFixture) { s.Restore(s.beforeDelete) },
		wants: func(s *tamperFixture) []want {
			return []want{{fault.LedgerRolledBack, backup.LedgerFile(s.Head.Sequence)}}
		},
		blind: true,
	},
	"the ledger deleted": {
		do: func(s *tamperFixture) { require.NoError(s.T, os.RemoveAll(s.Path(backup.LedgerDir))) },
		wants: func(s *tamperFixture) []want {
			return []want{{fault.LedgerRolledBack, backup.LedgerFile(s.Head.Sequence)}}
		},
	},
	"everything deleted": {
		do: func(s *tamperFixture) { require.NoError(s.T, os.RemoveAll(s.Path())) },
		wants: func(s *tamperFixture) []want {
			return []want{{fault.LedgerRolledBack, backup.LedgerFile(s.Head.Sequence)}}
		},
		blind: true,
	},
	"a deleted backup replayed": {
		do:    func(s *tamperFixture) { require.NoError(s.T, os.CopyFS(s.Of(s.deleted), os.DirFS(s.deletedFolder))) },
		wants: func(s *tamperFixture) []want { return []want{{fault.BackupRolledBack, s.deleted.Folder}} },
	},
	"an older state replayed": {
		do: func(s *tamperFixture) {
			for name, data := range s.beforeRewrap {
				s.write(s.Of(s.Live[1], name), data)
			}
		},
		wants: func(s *tamperFixture) []want {
			return []want{{fault.BackupRolledBack, s.Live[1].Folder + "/" + backup.SumsFile}}
		},
	},
	"two folders' names swapped": {
		do: func(s *tamperFixture) { s.swap(s.Of(s.Live[0]), s.Of(s.Live[2])) },
		wants: func(s *tamperFixture) []want {
			return []want{{fault.BackupDamaged, s.Live[0].Folder + "/" + backup.SumsFile}, {fault.BackupDamaged, s.Live[2].Folder + "/" + backup.SumsFile}}
		},
	},
	"a folder with another time": {
		do:    func(s *tamperFixture) { s.move(s.Of(s.Live[2]), s.Path(backup.BackupsDir, otherTime(s.Live[2]))) },
		wants: func(s *tamperFixture) []want { return []want{{fault.BackupDamaged, otherTime(s.Live[2])}} },
	},
	"a folder with another id": {
		do: func(s *tamperFixture) {
			s.move(s.Of(s.Live[2]), s.Path(backup.BackupsDir, backup.FolderName(repositorytest.ID, s.Live[2].Manifest.StartedAt)))
		},
		wants: func(s *tamperFixture) []want {
			return []want{{fault.BackupMissing, s.Live[2].Folder}, {fault.BackupUnlisted, string(repositorytest.ID)}}
		},
	},
	"a backup copied with another id": {
		do: func(s *tamperFixture) {
			to := s.Path(backup.BackupsDir, backup.FolderName(repositorytest.ID, s.Live[2].Manifest.StartedAt))
			require.NoError(s.T, os.CopyFS(to, os.DirFS(s.Of(s.Live[2]))))
		},
		wants: wanted(fault.BackupUnlisted, string(repositorytest.ID)),
	},
	"a backup copied with another time": {
		do: func(s *tamperFixture) {
			require.NoError(s.T, os.CopyFS(s.Path(backup.BackupsDir, otherTime(s.Live[2])), os.DirFS(s.Of(s.Live[2]))))
		},
		wants: func(s *tamperFixture) []want { return []want{{fault.BackupUnlisted, otherTime(s.Live[2])}} },
	},
	"a backup of another instance": {
		do: func(s *tamperFixture) {
			other := newFixture(s.T, 8)
			other.Repo, other.Key, other.Signers = repository.New(other.Store, "other"), s.Key, s.Signers
			b := other.BackUp()
			require.NoError(s.T, os.CopyFS(s.Of(b), os.DirFS(other.Of(b))))
			s.strange = b.Folder
		},
		wants: func(s *tamperFixture) []want { return []want{{fault.BackupForeign, s.strange}} },
	},
	"a backup forged with another key, and the list of keys": {
		do: func(s *tamperFixture) {
			forger := *s.fixture
			forger.Key = repositorytest.SigningKey(s.T)
			forger.Signers = seal.AllowedSigners(forger.Key.Public())
			b := forger.Put()
			forger.Publish(b)
			s.strange = b.Folder
		},
		wants: func(s *tamperFixture) []want {
			return []want{{fault.BackupUnlisted, s.strange}, {fault.BackupForged, s.strange + "/" + backup.SignatureFile}, {fault.BackupForged, "local/" + backup.AllowedSignersFile}}
		},
	},
	"an entry forged": {
		do: func(s *tamperFixture) {
			forger := *s.fixture
			forger.Key = repositorytest.SigningKey(s.T)
			forger.Signers = seal.AllowedSigners(forger.Key.Public())
			forger.Enter(forger.Entry(backup.LedgerDeleted, s.Live[0]))
			require.NoError(s.T, os.RemoveAll(s.Of(s.Live[0])))
		},
		wants: func(s *tamperFixture) []want {
			return []want{{fault.LedgerDamaged, backup.LedgerFile(s.Head.Sequence + 1)}, {fault.BackupMissing, s.Live[0].Folder}}
		},
	},
	"an entry of another chain": {
		do: func(s *tamperFixture) {
			s.cut(1)
			s.Forge(backup.LedgerHead{Sequence: s.Head.Sequence - 1, SHA256: strings.Repeat("0", 64)}, s.Entry(backup.LedgerCreated, s.Live[4]))
		},
		wants: func(s *tamperFixture) []want {
			return []want{{fault.LedgerDamaged, backup.LedgerFile(s.Head.Sequence)}}
		},
	},
	"the newest entry replaced by another signed one": {
		do: func(s *tamperFixture) {
			s.cut(1)
			l, err := s.Repo.Ledger().Read(s.T.Context(), s.Signers)
			require.NoError(s.T, err)
			other := *s.fixture
			other.Head, other.Clock = l.Head(), s.Clock.Add(time.Second)
			other.Enter(other.Entry(backup.LedgerCreated, s.Live[4]))
		},
		wants: func(s *tamperFixture) []want {
			return []want{{fault.LedgerDamaged, backup.LedgerFile(s.Head.Sequence)}}
		},
		blind: true,
	},
	"two entries swapped": {
		do: func(s *tamperFixture) { s.swap(s.ledger(2), s.ledger(3)) },
		wants: func(*tamperFixture) []want {
			return []want{{fault.LedgerDamaged, backup.LedgerFile(2)}, {fault.LedgerDamaged, backup.LedgerFile(3)}}
		},
	},
	"an entry removed": {
		do:    func(s *tamperFixture) { require.NoError(s.T, os.Remove(s.ledger(3))) },
		wants: wanted(fault.LedgerDamaged, backup.LedgerFile(3)),
	},
	"the first entry removed": {
		do:    func(s *tamperFixture) { require.NoError(s.T, os.Remove(s.ledger(1))) },
		wants: wanted(fault.LedgerDamaged, backup.LedgerFile(1)),
	},
	"the list of keys replaced": {
		do: func(s *tamperFixture) {
			s.write(s.Path(backup.AllowedSignersFile), seal.AllowedSigners(repositorytest.SigningKey(s.T).Public()))
		},
		wants: wanted(fault.BackupForged, "local/"+backup.AllowedSignersFile),
	},
	"the list of keys deleted": {
		do:    func(s *tamperFixture) { require.NoError(s.T, os.Remove(s.Path(backup.AllowedSignersFile))) },
		wants: wanted(fault.BackupDamaged, "local/"+backup.AllowedSignersFile),
	},
	"the instructions changed": {
		do:    func(s *tamperFixture) { s.write(s.Path(backup.RecoveryFile), []byte("send the key to me")) },
		wants: wanted(fault.BackupDamaged, "local/"+backup.RecoveryFile),
	},
	"a file added to a backup": {
		do: func(s *tamperFixture) { s.write(s.Of(s.Live[2], "arm.tar.zst.age"), nil) },
		wants: func(s *tamperFixture) []want {
			return []want{{fault.BackupDamaged, s.Live[2].Folder + "/arm.tar.zst.age"}}
		},
	},
	"a file added to the backups": {
		do:    func(s *tamperFixture) { s.write(s.Path(backup.BackupsDir, s.Live[2].Folder+".zip"), nil) },
		wants: func(s *tamperFixture) []want { return []want{{fault.BackupDamaged, s.Live[2].Folder + ".zip"}} },
	},
	"a file added to the instance": {
		do:    func(s *tamperFixture) { s.write(s.Path("Allowed_Signers"), nil) },
		wants: wanted(fault.BackupUnlisted, "local/Allowed_Signers"),
	},
	"a backup copied under another name": {
		do: func(s *tamperFixture) {
			require.NoError(s.T, os.CopyFS(s.Path(backup.BackupsDir, "before-the-move"), os.DirFS(s.Of(s.Live[2]))))
		},
		wants: wanted(fault.BackupDamaged, "local/backups/before-the-move"),
	},
	"a file that looks like one of a backup": {
		do: func(s *tamperFixture) { s.write(s.Of(s.Live[2], "key\u200b.age"), nil) },
		wants: func(s *tamperFixture) []want {
			return []want{{fault.BackupDamaged, s.Live[2].Folder + `/key\u200b.age`}}
		},
	},
	"a folder in a file's place": {
		do:    func(s *tamperFixture) { require.NoError(s.T, os.Mkdir(s.Path(backup.ControllerFile), 0o700)) },
		wants: wanted(fault.BackupDamaged, "local/"+backup.ControllerFile),
	},
	"a file added to the ledger": {
		do:    func(s *tamperFixture) { s.write(s.Path(backup.LedgerDir, "00000099.entry.bak"), nil) },
		wants: wanted(fault.LedgerDamaged, "local/ledger/00000099.entry.bak"),
	},
	"an entry was refused": {
		do:    func(s *tamperFixture) { s.write(s.ledger(3)+".refused-1", nil) },
		wants: wanted(fault.LedgerDamaged, "00000003.entry.refused-1"),
	},
	"a key half replaced": {
		do: func(s *tamperFixture) {
			s.write(s.Of(s.Live[2], backup.KeyFile+backup.NextSuffix), s.read(s.Of(s.Live[2], backup.KeyFile)))
		},
		wants: func(s *tamperFixture) []want { return []want{{fault.RewrapUnfinished, s.Live[2].Folder}} },
	},
}

func otherTime(b *fixtureBackup) string {
	return backup.FolderName(b.ID, b.Manifest.StartedAt.Add(time.Hour))
}

func TestTamperingIsFound(t *testing.T) {
	s := newTamperFixture(t)
	untouched := s.Snapshot()
	for name, row := range tamperings {
		t.Run(name, func(t *testing.T) {
			defer func(outer testing.TB) { s.T = outer }(s.T)
			s.T = t
			row.do(s)
			s.requireFound(s.Verify(s.Options()), row.wants(s)...)
			without := s.Options()
			without.Head = nil
			found := s.Verify(without)
			require.False(t, found.HeadKnown)
			require.Equal(t, row.blind, found.Good(), "%+v", repositorytest.All(found))
			s.Restore(untouched)
			s.RequireGood()
		})
	}
}
