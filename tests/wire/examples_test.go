package wire_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/board"
)

// example is a published example: the parameters of a request and the answers to it.
type example struct {
	Parameters map[string]json.RawMessage `json:"parameters"`
	Responses  map[string]json.RawMessage `json:"responses"`
}

func (e example) text(name string) string {
	var s string
	_ = json.Unmarshal(e.Parameters[name], &s)
	return s
}

// refusals are the examples whose values are no data, and the member that the refusal names.
var refusals = map[string]string{
	"2018-09-01/BackupLocations/Update.json":    "properties.externalStoreDefault.encryptionCertBase64",
	"2018-09-01/Backups/Restore.json":           "decryptionCertBase64",
	"2018-09-01/Backups/SingleRepoRestore.json": "roleName",
}

// TestEveryPublishedExample sends each as it is. It is answered as defined, or refused with
// the member that is at fault.
func TestEveryPublishedExample(t *testing.T) {
	spec := os.DirFS("../spec/azurestack-admin/backup")
	sent := 0
	require.NoError(t, fs.WalkDir(spec, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(name, "/examples/") {
			return err
		}
		data, err := fs.ReadFile(spec, name)
		require.NoError(t, err)
		sent++
		short := strings.Replace(name, "/examples/", "/", 1)
		t.Run(short, func(t *testing.T) {
			var e example
			require.NoError(t, json.Unmarshal(data, &e))
			h := start(t).enable()
			for _, id := range []backup.ID{"64e8625a-8dc0-49df-a195-932901b4be81", "de038ae0-294d-468d-90a1-fbe5ae028ce2"} {
				h.board.Apply(func(s *board.Snapshot) {
					s.Backups = append([]board.Backup{{Overview: backup.Overview{BackupID: id, Status: backup.Succeeded, StartedAt: h.now, FinishedAt: h.now, Path: "backups/x"}}}, s.Backups...)
				})
			}
			method, address, body := request(t, short, e)
			a := h.do(method, address, e.text("api-version"), body)
			if target := refusals[short]; target != "" {
				require.Equal(t, 400, a.status, a.text)
				require.Equal(t, target, a.property("error", "target"), a.text)
				return
			}
			if strings.HasSuffix(short, "/Restore.json") {
				require.Equal(t, e.text("api-version") == "2016-05-01", a.code() == "RestoreNotAvailable", a.text)
				require.GreaterOrEqual(t, a.status, 400, "the example brings no key that fits")
				return
			}
			require.Contains(t, e.Responses, map[int]string{200: "200", 202: "202"}[a.status], a.text)
			if a.status == 202 {
				end := h.follow(a)
				require.Equal(t, 200, end.status, end.text)
			}
		})
		return nil
	}))
	require.Equal(t, 18, sent)
}

// request makes the request of an example.
func request(t *testing.T, name string, e example) (method, address string, body any) {
	t.Helper()
	group := e.text("resourceGroupName")
	if group == "System.redmond" { // this one is of another region than all others
		group = "System.local"
	}
	base := "/subscriptions/" + subscription + "/resourceGroups/" + group + "/providers/Microsoft.Backup.Admin/backupLocations"
	location := base + "/local"
	switch _, kind, _ := strings.Cut(name, "/"); kind {
	case "Operations/List.json":
		return "GET", "/providers/Microsoft.Backup.Admin/operations", nil
	case "BackupLocations/List.json":
		return "GET", base, nil
	case "BackupLocations/Get.json":
		return "GET", location, nil
	case "BackupLocations/Update.json":
		return "PUT", location, string(e.Parameters["backup"])
	case "BackupLocations/Backup.json":
		return "POST", location + "/createBackup", nil
	case "BackupLocations/Prune.json": // its option is beside the parameter that it belongs into
		return "POST", location + "/pruneExternalStore", map[string]any{"operationType": e.text("OperationType")}
	case "Backups/List.json":
		return "GET", location + "/backups", nil
	case "Backups/Get.json":
		return "GET", location + "/backups/" + e.text("backup"), nil
	}
	require.Equal(t, "Backups", path.Base(path.Dir(name)))
	if options := e.Parameters["restoreOptions"]; options != nil {
		body = string(options)
	}
	return "POST", location + "/backups/" + e.text("backup") + "/restore", body
}
