package wire_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp/conformance"
)

// TestTheChecksCanFail breaks right answers in one place each.
func TestTheChecksCanFail(t *testing.T) {
	h := start(t).enable()
	h.full()
	spec, err := definitions()
	require.NoError(t, err)
	for _, version := range versions {
		against := strings.Replace(version, "2021", "2018", 1)
		problems := func(path, body string) []conformance.Problem {
			t.Helper()
			_, all, err := spec.Check(conformance.Manager, "GET", path, against, 200, []byte(body))
			require.NoError(t, err)
			var left []conformance.Problem
			for _, p := range all {
				if !excepted(version, p) {
					left = append(left, p)
				}
			}
			return left
		}
		for path, breaks := range map[string][][2]string{
			place: {{`"path":`, `"paths":`}, {`"backupFrequencyInHours":12`, `"backupFrequencyInHours":"12"`}, {`"isBackupSchedulerEnabled":false`, `"isBackupSchedulerEnabled":null`},
				{`"name":"local"`, `"name":null`}, {`"tags":{}`, `"tags":{"a":1}`}, {`"nextBackupTime":"2026-11-28T21:00:00Z"`, `"nextBackupTime":"28.11.2026"`}},
			place + "/backups": {{`"status":"Succeeded"`, `"status":"Good"`}, {`"backupDataVersion":"1"`, `"backupDataVersion":1`}, {`"roleName":`, `"role":`}, {`"nextLink":null`, `"nextLink":1`}, {`"backupInfo":{`, `"backupInfo":{"sizeInKb":0,`}},
		} {
			body := h.do("GET", path, version, nil).text
			require.Empty(t, problems(path, body))
			for _, b := range breaks {
				broken := strings.Replace(body, b[0], b[1], 1)
				require.NotEqual(t, body, broken, b[0])
				require.NotEmpty(t, problems(path, broken), "%s %s", version, b[1])
			}
		}
	}
}
