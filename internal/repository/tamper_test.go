package repository

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
	"infrabackup/internal/seal"
)

// scene is a share with a history: five backups that are there, the second of them
// rewrapped, one that was deleted and one that was pruned.
type scene struct {
	*keeper
	deleted       *kept
	beforeDelete  string            // copy of the instance's folder when all was there
	beforeRewrap  map[string][]byte // of the second backup
	deletedFolder string            // copy of the deleted backup
	strange       string            // folder of a backup that a row made
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{keeper: newKeeper(t, 7), beforeRewrap: map[string][]byte{}}
	s.enter(s.entry(backup.LedgerBegun, nil))
	for range 4 {
		s.backUp()
	}
	s.beforeDelete = s.snapshot()
	s.deleted = s.live[1]
	s.deletedFolder = filepath.Join(s.beforeDelete, backup.BackupsDir, s.deleted.folder)
	s.remove(s.deleted, backup.LedgerDeleted)
	s.remove(s.live[0], backup.LedgerPruned)
	for _, name := range replaced {
		s.beforeRewrap[name] = s.read(s.of(s.live[1], name))
	}
	s.rewrap(s.live[1])
	for range 3 {
		s.backUp()
	}
	s.requireGood()
	return s
}

func (s *scene) read(name string) []byte {
	s.t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(s.t, err)
	return data
}

func (s *scene) write(name string, data []byte) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(name, data, 0o600))
}

func (s *scene) move(from, to string) {
	s.t.Helper()
	require.NoError(s.t, os.Rename(from, to))
}

func (s *scene) swap(a, b string) {
	s.t.Helper()
	s.move(a, a+".swap")
	s.move(b, a)
	s.move(a+".swap", b)
}

// ledger is the file of an entry.
func (s *scene) ledger(sequence int64) string {
	return s.path(backup.LedgerDir, backup.LedgerFile(sequence))
}

// cut removes the newest n entries.
func (s *scene) cut(n int64) {
	s.t.Helper()
	for i := range n {
		require.NoError(s.t, os.Remove(s.ledger(s.head.Sequence-i)))
	}
}

// want is a finding that has to be there: its code and the end of its file.
type want struct {
	code fault.Code
	file string
}

// requireFound makes sure that the audit has all that is wanted, each where it belongs.
func (s *scene) requireFound(audit backup.Audit, wants ...want) {
	s.t.Helper()
	require.False(s.t, audit.Good())
	for _, w := range wants {
		found := false
		for _, f := range all(audit) {
			found = found || f.Code == string(w.code) && strings.HasSuffix(f.File, w.file)
		}
		require.True(s.t, found, "%s %s is not in %+v", w.code, w.file, all(audit))
	}
	for _, v := range audit.Backups {
		for _, f := range v.Findings {
			require.True(s.t, strings.HasPrefix(f.File, v.Path), "%+v is not of %s", f, v.Path)
		}
	}
	for _, f := range all(audit) {
		require.True(s.t, fault.Code(f.Code).Known(), f.Code)
		require.NotEmpty(s.t, f.Message)
	}
}

// damages are what can happen to a file.
var damages = map[string]func(data []byte) []byte{
	"first bit":  func(data []byte) []byte { data[0] ^= 0x80; return data },
	"middle bit": func(data []byte) []byte { data[len(data)/2] ^= 1; return data },
	"last bit":   func(data []byte) []byte { data[len(data)-1] ^= 1; return data },
	"truncated":  func(data []byte) []byte { return data[:len(data)-1] },
	"emptied":    func([]byte) []byte { return nil },
	"extended":   func(data []byte) []byte { return append(data, '\n') },
	"deleted":    nil,
}

func TestEveryChangedFileIsFound(t *testing.T) {
	s := newScene(t)
	var names []string
	for _, b := range s.live[1:3] {
		for _, f := range []string{backup.ManifestFile, backup.KeyFile, backup.CatalogFile, backup.SumsFile, backup.SignatureFile, backup.PartFile(backup.AD)} {
			names = append(names, s.of(b, f))
		}
	}
	for n := range s.head.Sequence {
		names = append(names, s.ledger(n+1))
	}
	for _, name := range names {
		for damage, change := range damages {
			local, err := filepath.Rel(s.folder, name)
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
				audit := s.verify(s.options())
				named := false
				for _, f := range all(audit) {
					named = named || f.File == filepath.ToSlash(local)
				}
				require.True(t, named, "%+v", all(audit))
			})
		}
	}
	s.requireGood()
}

// tampering is a row of what an audit promises to find.
type tampering struct {
	do    func(*scene)
	wants func(*scene) []want
	blind bool // it is found with the head only
}

func wanted(code fault.Code, file string) func(*scene) []want {
	return func(*scene) []want { return []want{{code, file}} }
}

var tamperings = map[string]tampering{
	"two files of one backup swapped": {
		do: func(s *scene) {
			s.swap(s.of(s.live[0], backup.CatalogFile), s.of(s.live[0], backup.PartFile(backup.AD)))
		},
		wants: func(s *scene) []want {
			return []want{{fault.BackupDamaged, s.live[0].folder + "/" + backup.CatalogFile}, {fault.BackupDamaged, s.live[0].folder + "/" + backup.PartFile(backup.AD)}}
		},
	},
	"the same file of two backups swapped": {
		do: func(s *scene) {
			s.swap(s.of(s.live[0], backup.PartFile(backup.AD)), s.of(s.live[2], backup.PartFile(backup.AD)))
		},
		wants: func(s *scene) []want {
			return []want{{fault.BackupDamaged, s.live[0].folder + "/" + backup.PartFile(backup.AD)}, {fault.BackupDamaged, s.live[2].folder + "/" + backup.PartFile(backup.AD)}}
		},
	},
	"a backup deleted": {
		do:    func(s *scene) { require.NoError(s.t, os.RemoveAll(s.of(s.live[2]))) },
		wants: func(s *scene) []want { return []want{{fault.BackupMissing, s.live[2].folder}} },
	},
	"the newest backup deleted": {
		do:    func(s *scene) { require.NoError(s.t, os.RemoveAll(s.of(s.live[4]))) },
		wants: func(s *scene) []want { return []want{{fault.BackupMissing, s.live[4].folder}} },
	},
	"the newest backup and its entry deleted": {
		do:    func(s *scene) { require.NoError(s.t, os.RemoveAll(s.of(s.live[4]))); s.cut(1) },
		wants: func(s *scene) []want { return []want{{fault.LedgerRolledBack, backup.LedgerFile(s.head.Sequence)}} },
		blind: true,
	},
	"a manifest rolled back": {
		do: func(s *scene) {
			s.write(s.of(s.live[2], backup.ManifestFile), s.read(s.of(s.live[1], backup.ManifestFile)))
		},
		wants: func(s *scene) []want {
			return []want{{fault.BackupDamaged, s.live[2].folder + "/" + backup.ManifestFile}}
		},
	},
	"the ledger cut": {
		do: func(s *scene) { s.cut(3) },
		wants: func(s *scene) []want {
			return []want{{fault.LedgerRolledBack, backup.LedgerFile(s.head.Sequence)}, {fault.BackupUnlisted, s.live[4].folder}}
		},
	},
	"everything restored from an earlier copy": {
		do:    func(s *scene) { s.restore(s.beforeDelete) },
		wants: func(s *scene) []want { return []want{{fault.LedgerRolledBack, backup.LedgerFile(s.head.Sequence)}} },
		blind: true,
	},
	"the ledger deleted": {
		do:    func(s *scene) { require.NoError(s.t, os.RemoveAll(s.path(backup.LedgerDir))) },
		wants: func(s *scene) []want { return []want{{fault.LedgerRolledBack, backup.LedgerFile(s.head.Sequence)}} },
	},
	"everything deleted": {
		do:    func(s *scene) { require.NoError(s.t, os.RemoveAll(s.path())) },
		wants: func(s *scene) []want { return []want{{fault.LedgerRolledBack, backup.LedgerFile(s.head.Sequence)}} },
		blind: true,
	},
	"a deleted backup replayed": {
		do:    func(s *scene) { require.NoError(s.t, os.CopyFS(s.of(s.deleted), os.DirFS(s.deletedFolder))) },
		wants: func(s *scene) []want { return []want{{fault.BackupRolledBack, s.deleted.folder}} },
	},
	"an older state replayed": {
		do: func(s *scene) {
			for name, data := range s.beforeRewrap {
				s.write(s.of(s.live[1], name), data)
			}
		},
		wants: func(s *scene) []want {
			return []want{{fault.BackupRolledBack, s.live[1].folder + "/" + backup.SumsFile}}
		},
	},
	"two folders' names swapped": {
		do: func(s *scene) { s.swap(s.of(s.live[0]), s.of(s.live[2])) },
		wants: func(s *scene) []want {
			return []want{{fault.BackupDamaged, s.live[0].folder + "/" + backup.SumsFile}, {fault.BackupDamaged, s.live[2].folder + "/" + backup.SumsFile}}
		},
	},
	"a folder with another time": {
		do:    func(s *scene) { s.move(s.of(s.live[2]), s.path(backup.BackupsDir, otherTime(s.live[2]))) },
		wants: func(s *scene) []want { return []want{{fault.BackupDamaged, otherTime(s.live[2])}} },
	},
	"a folder with another id": {
		do: func(s *scene) {
			s.move(s.of(s.live[2]), s.path(backup.BackupsDir, backup.FolderName(testID, s.live[2].manifest.StartedAt)))
		},
		wants: func(s *scene) []want {
			return []want{{fault.BackupMissing, s.live[2].folder}, {fault.BackupUnlisted, string(testID)}}
		},
	},
	"a backup copied with another id": {
		do: func(s *scene) {
			to := s.path(backup.BackupsDir, backup.FolderName(testID, s.live[2].manifest.StartedAt))
			require.NoError(s.t, os.CopyFS(to, os.DirFS(s.of(s.live[2]))))
		},
		wants: wanted(fault.BackupUnlisted, string(testID)),
	},
	"a backup copied with another time": {
		do: func(s *scene) {
			require.NoError(s.t, os.CopyFS(s.path(backup.BackupsDir, otherTime(s.live[2])), os.DirFS(s.of(s.live[2]))))
		},
		wants: func(s *scene) []want { return []want{{fault.BackupUnlisted, otherTime(s.live[2])}} },
	},
	"a backup of another instance": {
		do: func(s *scene) {
			other := newKeeper(s.t, 8)
			other.repo, other.key, other.signers = New(other.store, "other"), s.key, s.signers
			b := other.backUp()
			require.NoError(s.t, os.CopyFS(s.of(b), os.DirFS(other.of(b))))
			s.strange = b.folder
		},
		wants: func(s *scene) []want { return []want{{fault.BackupForeign, s.strange}} },
	},
	"a backup forged with another key, and the list of keys": {
		do: func(s *scene) {
			forger := *s.keeper
			forger.key = signingKey(s.t)
			forger.signers = seal.AllowedSigners(forger.key.Public())
			b := forger.put()
			forger.publish(b)
			s.strange = b.folder
		},
		wants: func(s *scene) []want {
			return []want{{fault.BackupUnlisted, s.strange}, {fault.BackupForged, s.strange + "/" + backup.SignatureFile}, {fault.BackupForged, "local/" + backup.AllowedSignersFile}}
		},
	},
	"an entry forged": {
		do: func(s *scene) {
			forger := *s.keeper
			forger.key = signingKey(s.t)
			forger.signers = seal.AllowedSigners(forger.key.Public())
			forger.enter(forger.entry(backup.LedgerDeleted, s.live[0]))
			require.NoError(s.t, os.RemoveAll(s.of(s.live[0])))
		},
		wants: func(s *scene) []want {
			return []want{{fault.LedgerDamaged, backup.LedgerFile(s.head.Sequence + 1)}, {fault.BackupMissing, s.live[0].folder}}
		},
	},
	"an entry of another chain": {
		do: func(s *scene) {
			s.cut(1)
			s.forge(backup.LedgerHead{Sequence: s.head.Sequence - 1, SHA256: strings.Repeat("0", 64)}, s.entry(backup.LedgerCreated, s.live[4]))
		},
		wants: func(s *scene) []want { return []want{{fault.LedgerDamaged, backup.LedgerFile(s.head.Sequence)}} },
	},
	"the newest entry replaced by another signed one": {
		do: func(s *scene) {
			s.cut(1)
			l, err := s.repo.ReadLedger(s.t.Context(), s.signers)
			require.NoError(s.t, err)
			other := *s.keeper
			other.head, other.clock = l.Head(), s.clock.Add(time.Second)
			other.enter(other.entry(backup.LedgerCreated, s.live[4]))
		},
		wants: func(s *scene) []want { return []want{{fault.LedgerDamaged, backup.LedgerFile(s.head.Sequence)}} },
		blind: true,
	},
	"two entries swapped": {
		do: func(s *scene) { s.swap(s.ledger(2), s.ledger(3)) },
		wants: func(*scene) []want {
			return []want{{fault.LedgerDamaged, backup.LedgerFile(2)}, {fault.LedgerDamaged, backup.LedgerFile(3)}}
		},
	},
	"an entry removed": {
		do:    func(s *scene) { require.NoError(s.t, os.Remove(s.ledger(3))) },
		wants: wanted(fault.LedgerDamaged, backup.LedgerFile(3)),
	},
	"the first entry removed": {
		do:    func(s *scene) { require.NoError(s.t, os.Remove(s.ledger(1))) },
		wants: wanted(fault.LedgerDamaged, backup.LedgerFile(1)),
	},
	"the list of keys replaced": {
		do: func(s *scene) {
			s.write(s.path(backup.AllowedSignersFile), seal.AllowedSigners(signingKey(s.t).Public()))
		},
		wants: wanted(fault.BackupForged, "local/"+backup.AllowedSignersFile),
	},
	"the list of keys deleted": {
		do:    func(s *scene) { require.NoError(s.t, os.Remove(s.path(backup.AllowedSignersFile))) },
		wants: wanted(fault.BackupDamaged, "local/"+backup.AllowedSignersFile),
	},
	"the instructions changed": {
		do:    func(s *scene) { s.write(s.path(backup.RecoveryFile), []byte("send the key to me")) },
		wants: wanted(fault.BackupDamaged, "local/"+backup.RecoveryFile),
	},
	"a file added to a backup": {
		do:    func(s *scene) { s.write(s.of(s.live[2], "arm.tar.zst.age"), nil) },
		wants: func(s *scene) []want { return []want{{fault.BackupDamaged, s.live[2].folder + "/arm.tar.zst.age"}} },
	},
	"a file added to the backups": {
		do:    func(s *scene) { s.write(s.path(backup.BackupsDir, s.live[2].folder+".zip"), nil) },
		wants: func(s *scene) []want { return []want{{fault.BackupDamaged, s.live[2].folder + ".zip"}} },
	},
	"a file added to the instance": {
		do:    func(s *scene) { s.write(s.path("Allowed_Signers"), nil) },
		wants: wanted(fault.BackupUnlisted, "local/Allowed_Signers"),
	},
	"a backup copied under another name": {
		do: func(s *scene) {
			require.NoError(s.t, os.CopyFS(s.path(backup.BackupsDir, "before-the-move"), os.DirFS(s.of(s.live[2]))))
		},
		wants: wanted(fault.BackupDamaged, "local/backups/before-the-move"),
	},
	"a file that looks like one of a backup": {
		do:    func(s *scene) { s.write(s.of(s.live[2], "key\u200b.age"), nil) },
		wants: func(s *scene) []want { return []want{{fault.BackupDamaged, s.live[2].folder + `/key\u200b.age`}} },
	},
	"a folder in a file's place": {
		do:    func(s *scene) { require.NoError(s.t, os.Mkdir(s.path(backup.ControllerFile), 0o700)) },
		wants: wanted(fault.BackupDamaged, "local/"+backup.ControllerFile),
	},
	"a file added to the ledger": {
		do:    func(s *scene) { s.write(s.path(backup.LedgerDir, "00000099.entry.bak"), nil) },
		wants: wanted(fault.LedgerDamaged, "local/ledger/00000099.entry.bak"),
	},
	"an entry was refused": {
		do:    func(s *scene) { s.write(s.ledger(3)+".refused-1", nil) },
		wants: wanted(fault.LedgerDamaged, "00000003.entry.refused-1"),
	},
	"a key half replaced": {
		do: func(s *scene) {
			s.write(s.of(s.live[2], backup.KeyFile+backup.NextSuffix), s.read(s.of(s.live[2], backup.KeyFile)))
		},
		wants: func(s *scene) []want { return []want{{fault.RewrapUnfinished, s.live[2].folder}} },
	},
}

func otherTime(b *kept) string {
	return backup.FolderName(b.id, b.manifest.StartedAt.Add(time.Hour))
}

func TestTamperingIsFound(t *testing.T) {
	s := newScene(t)
	untouched := s.snapshot()
	for name, row := range tamperings {
		t.Run(name, func(t *testing.T) {
			defer func(outer testing.TB) { s.t = outer }(s.t)
			s.t = t
			row.do(s)
			s.requireFound(s.verify(s.options()), row.wants(s)...)
			without := s.options()
			without.Head = nil
			audit := s.verify(without)
			require.False(t, audit.HeadKnown)
			require.Equal(t, row.blind, audit.Good(), "%+v", all(audit))
			s.restore(untouched)
			s.requireGood()
		})
	}
}
