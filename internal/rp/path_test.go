package rp

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/rp/address"
)

func TestPaths(t *testing.T) {
	h := &Handler{routes: routes()}
	guid := "64e8625a-8dc0-49df-a195-932901b4be81"
	base := "/subscriptions/S/resourceGroups/G/providers/Microsoft.Backup.Admin/backupLocations"
	for path, want := range map[string]struct{ name, backup string }{
		base:                             {"BackupLocations_List", ""},
		base + "/L/":                     {"BackupLocations_Get", ""},
		"//" + strings.ToUpper(base[1:]): {"BackupLocations_List", ""},
		base + "/L/backups/" + guid:      {"Backups_Get", guid},
		base + "/L/backups/L/" + guid:    {"Backups_Get", "L/" + guid},
		base + "/L/backups/L/" + guid + "/restore":          {"Backups_Restore", "L/" + guid},
		base + "/L/backups/" + guid + "/RESTORE":            {"Backups_Restore", guid},
		base + "/L/backups/restore":                         {"Backups_Get", "restore"},
		base + "/L/backups/restore/restore":                 {"Backups_Restore", "restore"},
		base + "/L/backups/a/b":                             {},
		base + "/L//backups":                                {},
		base + "/L/../L":                                    {},
		base + "/L/createBackup/x":                          {},
		"/api/v1/locations/L/backups/L/" + guid + "/verify": {"verifyBackup", "L/" + guid},
		"":  {},
		"/": {},
	} {
		r, p := h.find(path)
		if want.name == "" {
			require.Nil(t, r, path)
			continue
		}
		require.NotNil(t, r, path)
		require.Equal(t, want.name, r.operations[0].name, path)
		require.Equal(t, want.backup, p.Backup, path)
	}
}

// FuzzPath wants that a path is either none of ours, or one whose parts say again what it
// said.
func FuzzPath(f *testing.F) {
	for _, r := range routes() {
		f.Add("/" + r.pattern)
	}
	f.Add("//subscriptions/s/RESOURCEGROUPS/g/providers/microsoft.backup.admin/backuplocations/l/backups/l/64e8625a-8dc0-49df-a195-932901b4be81/")
	h := &Handler{routes: routes()}
	f.Fuzz(func(t *testing.T, path string) {
		r, p := h.find(path)
		if r == nil {
			require.Equal(t, address.Params{}, p)
			return
		}
		again := strings.NewReplacer(address.Subscription, p.Subscription, address.Group, p.Group, address.Location, p.Location, address.Backup, p.Backup, address.Operation, p.Operation, address.Token, p.Token, address.Plan, p.Plan).Replace(r.pattern)
		require.True(t, strings.EqualFold(again, strings.TrimSuffix(strings.TrimLeft(path, "/"), "/")), path)
		for _, part := range []string{p.Subscription, p.Group, p.Location, p.Operation, p.Token, p.Plan} {
			require.NotContains(t, part, "/")
			require.NotEqual(t, "..", part)
		}
	})
}

// FuzzStore wants no panic, and that no member with a value is passed over.
func FuzzStore(f *testing.F) {
	f.Add([]byte(`{"properties":{"externalStoreDefault":{"path":"\\\\fs\\B","userName":"u","password":"p","isBackupSchedulerEnabled":true,"backupFrequencyInHours":4}}}`), 1)
	f.Add([]byte(`{"properties":{"externalStoreDefault":{"blobStorageKey":"k","encryptionCertBase64":null}},"tags":{}}`), 2)
	f.Add([]byte(`{"properties":{"externalStoreDefault":{"encryptionKeyBase64":"YQ=="}}}`), 0)
	f.Fuzz(func(t *testing.T, data []byte, column int) {
		if column < 0 {
			column = -(column + 1)
		}
		x := &exchange{h: &Handler{options: Options{Now: time.Now}}, version: supported[column%len(supported)]}
		_, err := x.parseLocation(data)
		var root struct {
			Properties struct {
				Store map[string]any `json:"externalStoreDefault"`
			} `json:"properties"`
		}
		if err != nil || json.Unmarshal(data, &root) != nil {
			return
		}
		for name, value := range root.Properties.Store {
			if value == nil || value == "" {
				continue
			}
			_, uses, known := memberOf(strings.ToLower(name))
			require.True(t, known, name)
			require.Contains(t, []use{taken, readOnly}, uses[x.version.column()], name)
		}
	})
}
