package wire_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWholeLifeAtEachVersion(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			h := start(t)
			a := h.do("GET", place, version, nil)
			require.Equal(t, 200, a.status, a.text)
			require.Equal(t, "", a.property("properties", "externalStoreDefault", "path"))
			require.Equal(t, 409, h.do("POST", place+"/createBackup", version, nil).status)

			members := map[string]any{"path": `\\fs.example.com\AzSBackups`, "userName": `CORP\backup`, "password": password}
			key := "encryptionCertBase64"
			members[key] = certificate()
			if version == "2016-05-01" {
				delete(members, key)
				members["encryptionKeyBase64"] = canaryKey
			}
			h.put(version, store(members))
			a = h.do("GET", place, version, nil)
			require.Equal(t, `\\fs.example.com\AzSBackups`, a.property("properties", "externalStoreDefault", "path"))
			require.Nil(t, a.property("properties", "externalStoreDefault", "password"))
			require.Equal(t, 200, h.do("GET", root, version, nil).status)
			require.Equal(t, 200, h.do("GET", "/providers/Microsoft.Backup.Admin/operations", version, nil).status)

			a = h.do("POST", place+"/createBackup", version, nil)
			require.Equal(t, http.StatusAccepted, a.status, a.text)
			list := h.do("GET", place+"/backups", version, nil)
			require.Len(t, list.property("value"), 1, "a backup that runs is there at once")
			end := h.follow(a)
			require.Equal(t, 200, end.status, end.text)
			require.Equal(t, "Succeeded", end.property("properties", "backupInfo", "status"))
			require.Equal(t, "PT6M35.1234567S", end.property("properties", "backupInfo", "timeTakenToCreate"))
			require.Equal(t, "application/json", end.header.Get("Content-Type"))
			name := end.property("name").(string)
			require.Regexp(t, `^local/[0-9a-f-]{36}$`, name)
			for _, spelled := range []string{name, name[len("local/"):], "local%2F" + name[len("local/"):], "LOCAL/" + name[len("local/"):]} {
				require.Equal(t, 200, h.do("GET", place+"/backups/"+spelled, version, nil).status, spelled)
			}
			require.Equal(t, 200, h.do("GET", place+"/backups/"+name+"/", version, nil).status)
			require.Equal(t, 404, h.do("GET", place+"/backups/other%2F"+name[len("local/"):], version, nil).status)
		})
	}
}
