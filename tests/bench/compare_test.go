package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/distance"
)

func TestMediansAreOfEachFigureAlone(t *testing.T) {
	all := []figure{
		{wall: 3, cpu: 10 * time.Second, memory: 1},
		{wall: 1, cpu: 30 * time.Second, memory: 7, count: distance.Count{Requests: 4, Sent: mib / 2, Received: 3 * mib}},
		{wall: 2, cpu: 20 * time.Second, memory: 5, count: distance.Count{Requests: 3, Sent: mib}},
	}
	require.EqualValues(t, 2, median(all))
	require.EqualValues(t, 1, shortest(all))
	require.EqualValues(t, 3, longest(all))
	require.Equal(t, 20*time.Second, cpu(all))
	require.EqualValues(t, 7, peak(all))
	require.Equal(t, "4 | 0.50 | 3.00", passing(all), "of the run that asked most, and not of several")
	require.Equal(t, "– | – | –", passing(all[:1]), "nothing was counted, which is not none")
	require.Equal(t, "–", known(0, 1))
	require.Equal(t, "1.5", known(1.52, 1))
}

// TestRestored: a contender that restored nothing, or something else, is no contender.
func TestRestored(t *testing.T) {
	dir := t.TempDir()
	require.Error(t, restored(dir, blobName, 3), "nothing")
	sub := filepath.Join(dir, "a", "b")
	require.NoError(t, os.MkdirAll(sub, 0o700))
	require.Error(t, restored(dir, "", 3), "a folder is nothing")
	require.NoError(t, os.WriteFile(filepath.Join(sub, "other"), []byte("abcd"), 0o600))
	require.Error(t, restored(dir, blobName, 3), "another file")
	require.NoError(t, restored(dir, "", 4), "any file")
	require.NoError(t, os.WriteFile(filepath.Join(sub, blobName), []byte("ab"), 0o600))
	require.Error(t, restored(dir, blobName, 3), "a part of it")
	require.NoError(t, restored(dir, blobName, 2))
	require.Error(t, restored(dir, "", 2), "not the only one")
}

func TestProfiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	write("worker-1.pprof", "x")
	write("encrypt-1.pprof", "") // killed
	_, err := profilesOf(dir, "encrypt")
	require.Error(t, err, "pprof refuses files that are empty")
	two, three := write("encrypt-2.pprof", "x"), write("encrypt-3.pprof", "x")
	files, err := profilesOf(dir, "encrypt")
	require.NoError(t, err)
	require.Equal(t, []string{two, three}, files)
	require.Equal(t, "Duration: 1s\n  flat", topRows([]byte("File: worker\nType: cpu\nDuration: 1s\n  flat\n")))
	require.Equal(t, "what it says now", topRows([]byte("what it says now\n")))
}

// TestSections: what needs the lab is told from what does not.
func TestSections(t *testing.T) {
	require.Equal(t, []string{"share", "verify", "extract", "rewrap", "far", "directory", "recover"}, labSections)
	for _, section := range labSections {
		require.Contains(t, sections, section)
	}
}
