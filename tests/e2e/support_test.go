package e2e

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/support"
)

// supportArchive packs what is for people who help, with the worker's log, and returns its
// files. Nothing is missing but what only a machine with systemd has.
func (o *operator) supportArchive() map[string][]byte {
	t := o.t
	file := o.file("support.tar.gz")
	answer := o.run("support", "--out", file, "--log", o.log, "-o", "json")
	require.Contains(t, []int{fault.ExitOK, fault.ExitPartial}, answer.code, answer.stderr)
	var report support.Report
	require.NoError(t, json.Unmarshal([]byte(answer.stdout), &report), answer.stdout)
	for _, m := range report.Missing {
		require.True(t, strings.HasPrefix(m.Name, "logs/infrabackup-"), "%+v", m)
	}
	in, err := os.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, in.Close()) }()
	zipped, err := gzip.NewReader(in)
	require.NoError(t, err)
	all, histories := map[string][]byte{}, 0
	for entries := tar.NewReader(zipped); ; {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		text, err := io.ReadAll(entries)
		require.NoError(t, err)
		all["support archive: "+header.Name] = text
		if strings.Contains(header.Name, "/histories/") && strings.Contains(string(text), "EVENT_TYPE_ACTIVITY_TASK_COMPLETED") {
			histories++
		}
	}
	require.Greater(t, histories, 3)
	names := make([]string, 0, len(all))
	for name, text := range all {
		if !strings.Contains(name, "/logs/infrabackup-") { // the journal of this machine may have nothing
			require.NotEmpty(t, text, name)
		}
		names = append(names, filepath.Base(name))
	}
	require.Subset(t, names, []string{"settings.json", "doctor.json", "backups.json", "newest-backups.json", "runs.json", "1-" + filepath.Base(o.log)})
	return all
}
