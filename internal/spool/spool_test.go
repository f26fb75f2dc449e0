package spool

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

const (
	first  = backup.ID("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")
	second = backup.ID("1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")
)

func open(t *testing.T) *Spool {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "spool"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func put(t *testing.T, s *Spool, id backup.ID, name, text string) {
	t.Helper()
	f, err := s.Create(id, name)
	require.NoError(t, err)
	_, err = f.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestOneBackupAtATime(t *testing.T) {
	s := open(t)
	require.NoError(t, s.Begin(first))
	put(t, s, first, "ad.tar.zst.age", "cipher text")
	require.NoError(t, s.Begin(first), "again, by a second service")
	f, err := s.Open(first, backup.File{Name: "ad.tar.zst.age", Size: 11})
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, s.Begin(second))
	_, err = s.Open(first, backup.File{Name: "ad.tar.zst.age", Size: 11})
	require.ErrorIs(t, err, fault.SpoolLost)
}

func TestLostAndShortenedDataIsNoticed(t *testing.T) {
	s := open(t)
	require.NoError(t, s.Begin(first))
	put(t, s, first, "ad.tar.zst.age", "short")
	_, err := s.Open(first, backup.File{Name: "ad.tar.zst.age", Size: 6})
	require.ErrorIs(t, err, fault.SpoolLost)
	_, err = s.Open(first, backup.File{Name: "ca.tar.zst.age", Size: 6})
	require.ErrorIs(t, err, fault.SpoolLost)
}

func TestJournal(t *testing.T) {
	s := open(t)
	require.NoError(t, s.Begin(first))
	put(t, s, first, "ad.tar.zst.age", "x")
	j, err := s.LoadJournal(first, "ad.tar.zst.age")
	require.NoError(t, err)
	require.Zero(t, j)
	want := Journal{Target: "abc", Flushed: 64 << 20}
	require.NoError(t, s.SaveJournal(first, "ad.tar.zst.age", want))
	j, err = s.LoadJournal(first, "ad.tar.zst.age")
	require.NoError(t, err)
	require.Equal(t, want, j)

	for _, text := range []string{"", "{", `{"flushed":-1}`, "\x00\xff"} {
		require.NoError(t, os.WriteFile(filepath.Join(s.String(), string(first), "ad.tar.zst.age.journal"), []byte(text), 0o600))
		j, err = s.LoadJournal(first, "ad.tar.zst.age")
		require.NoError(t, err)
		require.Zero(t, j, "a journal that cannot be understood starts over: %q", text)
	}
	require.NoError(t, s.SaveJournal(first, "ad.tar.zst.age", want))
	put(t, s, first, "ad.tar.zst.age", "captured again")
	j, err = s.LoadJournal(first, "ad.tar.zst.age")
	require.NoError(t, err)
	require.Zero(t, j, "a new capture has no journal")
}

// TestALateAttemptHasAFileOfItsOwn: it neither changes nor removes what has the name now.
func TestALateAttemptHasAFileOfItsOwn(t *testing.T) {
	s := open(t)
	require.NoError(t, s.Begin(first))
	const name = "ad.tar.zst.age"
	late, err := s.Create(first, name)
	require.NoError(t, err)
	put(t, s, first, name, "newer")
	_, err = late.WriteString("late, and longer")
	require.NoError(t, err)
	require.NoError(t, s.Discard(first, name, late))
	require.NoError(t, late.Close())
	data, err := os.ReadFile(filepath.Join(s.String(), string(first), name))
	require.NoError(t, err)
	require.Equal(t, "newer", string(data))

	own, err := s.Create(first, name)
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, s.Discard(first, name, own))
	}
	require.NoError(t, own.Close())
	require.NoFileExists(t, filepath.Join(s.String(), string(first), name))
}

func TestReleaseIsIdempotent(t *testing.T) {
	s := open(t)
	require.NoError(t, s.Begin(first))
	put(t, s, first, PartName(backup.AD), "x")
	put(t, s, first, IndexName(backup.AD), "x")
	put(t, s, first, PartName(backup.CA), "x")
	for range 2 {
		require.NoError(t, s.Release(first, backup.AD))
	}
	left, err := os.ReadDir(filepath.Join(s.String(), string(first)))
	require.NoError(t, err)
	require.Len(t, left, 1)
	for range 2 {
		require.NoError(t, s.Release(first, ""))
	}
	require.NoDirExists(t, filepath.Join(s.String(), string(first)))
}

func TestStrangeNamesAndOpenFoldersAreRefused(t *testing.T) {
	s := open(t)
	require.NoError(t, s.Check())
	for _, name := range []string{"", "..", "../x", "a/b", "A", "x y"} {
		_, err := s.Create(first, name)
		require.ErrorIs(t, err, fault.Usage, name)
	}
	_, err := s.Create("../../etc", "x")
	require.ErrorIs(t, err, fault.Usage)
	require.ErrorIs(t, s.Release("..", ""), fault.Usage)
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	_, err = Open(dir)
	require.ErrorIs(t, err, fault.ConfigInvalid)
}
