package wire_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/board"
	"infrabackup/internal/schedule"
	"infrabackup/internal/share"
)

const in = "properties.externalStoreDefault."

// TestEveryBadMemberIsNamed: nothing is dropped silently, and nothing half-applied.
func TestEveryBadMemberIsNamed(t *testing.T) {
	h := start(t).enable()
	ec := base64.StdEncoding.EncodeToString([]byte("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"))
	for name, test := range map[string]struct {
		versions string
		body     any
		target   string
	}{
		"a key where certificates are":     {"2018 2021", store(map[string]any{"encryptionKeyBase64": canaryKey}), in + "encryptionKeyBase64"},
		"a certificate where keys are":     {"2016", store(map[string]any{"encryptionCertBase64": certificate()}), in + "encryptionCertBase64"},
		"blob storage":                     {"2016 2018 2021", store(map[string]any{"blobStorageKey": "k"}), in + "blobStorageKey"},
		"its address":                      {"2016 2018 2021", store(map[string]any{"blobStorageUrl": "https://a.blob.example/"}), in + "blobStorageUrl"},
		"an unknown member":                {"2016 2018 2021", store(map[string]any{"passwd": "x"}), in + "passwd"},
		"a password in the wrong place":    {"2016 2018 2021", map[string]any{"properties": map[string]any{"password": password}}, "properties.password"},
		"and at the top":                   {"2016 2018 2021", map[string]any{"password": password}, "password"},
		"a private key":                    {"2018 2021", store(map[string]any{"encryptionCertBase64": ec}), in + "encryptionCertBase64"},
		"no base64":                        {"2018 2021", store(map[string]any{"encryptionCertBase64": "encryptioncert"}), in + "encryptionCertBase64"},
		"a short key":                      {"2016", store(map[string]any{"encryptionKeyBase64": "YWJj"}), in + "encryptionKeyBase64"},
		"a path that is none":              {"2016 2018 2021", store(map[string]any{"path": `C:\Backups`}), in + "path"},
		"cloud storage as a path":          {"2016 2018 2021", store(map[string]any{"path": "https://a.file.core.windows.net/s"}), in + "path"},
		"a frequency that is too high":     {"2016 2018 2021", store(map[string]any{"backupFrequencyInHours": 13}), in + "backupFrequencyInHours"},
		"one that is no integer":           {"2016 2018 2021", store(map[string]any{"backupFrequencyInHours": 4.5}), in + "backupFrequencyInHours"},
		"one that is text":                 {"2016 2018 2021", store(map[string]any{"backupFrequencyInHours": "4"}), in + "backupFrequencyInHours"},
		"a retention that is too short":    {"2016 2018 2021", store(map[string]any{"backupRetentionPeriodInDays": 1}), in + "backupRetentionPeriodInDays"},
		"a switch that is text":            {"2016 2018 2021", store(map[string]any{"isBackupSchedulerEnabled": "yes"}), in + "isBackupSchedulerEnabled"},
		"a password with a NUL":            {"2016 2018 2021", store(map[string]any{"password": password + "\x00"}), in + "password"},
		"a long user name":                 {"2016 2018 2021", store(map[string]any{"userName": strings.Repeat("u", 300)}), in + "userName"},
		"a path that is an object":         {"2016 2018 2021", store(map[string]any{"path": map[string]any{}}), in + "path"},
		"a store that is text":             {"2016 2018 2021", map[string]any{"properties": map[string]any{"externalStoreDefault": "x"}}, "properties.externalStoreDefault"},
		"tags that are no text":            {"2016 2018 2021", map[string]any{"tags": map[string]any{"a": 1}}, "tags.a"},
		"a duplicate":                      {"2016 2018 2021", `{"properties":{"externalStoreDefault":{"password":"a","password":"b"}}}`, in + "password"},
		"one in another case":              {"2016 2018 2021", `{"properties":{"externalStoreDefault":{"password":"a","Password":"b"}}}`, in + "Password"},
		"something behind the end":         {"2016 2018 2021", `{}{}`, ""},
		"an array":                         {"2016 2018 2021", `[]`, ""},
		"nothing":                          {"2016 2018 2021", nil, ""},
		"broken JSON":                      {"2016 2018 2021", `{"properties":`, "properties"},
		"no UTF-8":                         {"2016 2018 2021", "{\"a\":\"\xff\"}", ""},
		"too deep":                         {"2016 2018 2021", strings.Repeat(`{"tags":`, 40) + "1" + strings.Repeat("}", 40), strings.Repeat("tags.", 15) + "tags"},
		"an unknown version of a password": {"2021", store(map[string]any{"path": `\\fs\B`, "userName": "u", "encryptionCertBase64": certificate()}), in + "password"},
	} {
		for _, version := range versions {
			if !strings.Contains(test.versions, version[:4]) {
				continue
			}
			before := len(h.control.wanted)
			a := h.do("PUT", place, version, test.body)
			require.Equal(t, http.StatusBadRequest, a.status, name+" "+version+a.text)
			if test.target != "" {
				target, _ := a.property("error", "target").(string)
				require.True(t, target == test.target || len(target) > 90, "%s: %s", name, a.text)
			}
			require.Len(t, h.control.wanted, before, name)
		}
	}
	a := h.do("PUT", place, "2018-09-01", strings.Repeat(" ", 70<<10)+"{}")
	require.Equal(t, 413, a.status)
	r, err := http.NewRequestWithContext(t.Context(), "PUT", h.server.URL+place+"?api-version=2018-09-01", strings.NewReader("<a/>"))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "text/xml")
	require.Equal(t, 415, h.send(r).status)
}

// TestPutKeepsOrReplaces: until 2018-09-01 PUT keeps what is absent; from 2021-09-01 on it
// replaces, and PATCH keeps.
func TestPutKeepsOrReplaces(t *testing.T) {
	for _, version := range versions {
		h := start(t).enable()
		method := "PUT"
		if version == "2021-09-01" {
			method = "PATCH"
		}
		before := len(h.control.wanted)
		a := h.do(method, place, version, store(map[string]any{"backupFrequencyInHours": 10, "userName": nil, "path": ""}))
		require.Equal(t, 202, a.status, a.text)
		h.follow(a)
		w := h.control.wanted[before]
		require.Nil(t, w.Share)
		require.Empty(t, w.Username)
		require.True(t, w.Password.IsZero())
		require.Empty(t, w.Recipients)
		require.Equal(t, "test|operator", w.RequestedBy)
		ten := 10
		require.Equal(t, schedule.Patch{FrequencyHours: &ten}, w.SchedulePatch, "what is absent is merged where the schedule is known")

		// What was read, and sent back as it is, changes nothing, succeeds, and is done at once;
		// read-only members that differ are ignored.
		a = h.do("GET", place, version, nil)
		a.json["properties"].(map[string]any)["externalStoreDefault"].(map[string]any)["availableCapacity"] = "1 MB"
		before = len(h.control.wanted)
		a = h.do(method, place, version, a.json)
		require.Equal(t, 202, a.status, a.text)
		end := h.do("GET", a.header.Get("Location"), "", nil)
		require.Equal(t, 200, end.status)
		require.EqualValues(t, 10, end.property("properties", "externalStoreDefault", "backupFrequencyInHours"))
		require.Len(t, h.control.wanted, before)
	}
	h := start(t).enable()
	whole := map[string]any{"path": `\\fs.example.com\AzSBackups`, "userName": `CORP\backup`, "password": password, "encryptionCertBase64": certificate(), "backupFrequencyInHours": 4}
	for _, member := range []string{"path", "userName", "password", "encryptionCertBase64"} {
		part := map[string]any{}
		for k, v := range whole {
			if k != member {
				part[k] = v
			}
		}
		a := h.do("PUT", place, "2021-09-01", store(part))
		require.Equal(t, "MissingMember", a.code())
		require.Equal(t, in+member, a.property("error", "target"))
	}
	h.put("2021-09-01", store(whole))
	delete(whole, "backupFrequencyInHours")
	h.put("2021-09-01", store(whole))
	require.EqualValues(t, 12, h.do("GET", place, "2021-09-01", nil).property("properties", "externalStoreDefault", "backupFrequencyInHours"), "what is absent is reset")
	require.Equal(t, "ExternalStoreCannotBeCleared", h.do("PUT", place, "2021-09-01", store(map[string]any{"userName": ""})).code())
	require.Equal(t, 202, start(t).do("PUT", place, "2021-09-01", store(map[string]any{"userName": ""})).status, "it is clear already")
}

// TestMembersOfAScheduleThatWasNotRead: what is not given is not the usual then, but what is
// set.
func TestMembersOfAScheduleThatWasNotRead(t *testing.T) {
	set := schedule.Setting{Enabled: true, FrequencyHours: 4, RetentionDays: 14, KeepVerified: 9}
	for _, version := range versions {
		h := start(t).enable()
		h.control.plan = set
		h.board.Apply(func(s *board.Snapshot) { *s = board.Snapshot{Instance: s.Instance} })
		method := "PUT"
		if version == "2021-09-01" {
			method = "PATCH"
		}
		a := h.do(method, place, version, store(map[string]any{"backupRetentionPeriodInDays": 7}))
		require.Equal(t, 202, a.status, a.text)
		require.Equal(t, schedule.Setting{Enabled: true, FrequencyHours: 4, RetentionDays: 7, KeepVerified: 9}, h.control.plan)
	}
	h := start(t).enable()
	h.control.plan = set
	h.board.Apply(func(s *board.Snapshot) { *s = board.Snapshot{Instance: s.Instance} })
	a := h.do("PUT", "/api/v1/locations/local/schedule", "", map[string]any{"enabled": false})
	require.Equal(t, 200, a.status, a.text)
	require.EqualValues(t, 4, a.property("frequencyHours"))
	require.EqualValues(t, 9, a.property("keepVerified"))
	require.Equal(t, schedule.Setting{FrequencyHours: 4, RetentionDays: 14, KeepVerified: 9}, h.control.plan)
	require.Equal(t, 503, h.do("PUT", "/api/v1/locations/local/schedule", "", map[string]any{}).status)
}

func TestFirstPutNeedsEverything(t *testing.T) {
	h := start(t)
	a := h.do("PUT", place, "2018-09-01", store(map[string]any{"path": `\\fs\B`, "userName": "u"}))
	require.Equal(t, "MissingMember", a.code())
	require.Equal(t, in+"password", a.property("error", "target"))
	h.enable()
	w := h.control.wanted[0]
	require.Equal(t, "prod", w.Instance.Name)
	require.Equal(t, share.Encrypted, h.board.Snapshot().Settings.Share.Transport)
	require.Empty(t, w.Share.Transport)
	// The transport in use stays when only the path changes, and a path that is only spelt
	// otherwise is no change.
	h.board.Apply(func(s *board.Snapshot) { s.Settings.Share.Transport = share.Signed })
	before := len(h.control.wanted)
	h.put("2018-09-01", store(map[string]any{"path": `//FS.example.com/AzSBackups/`}))
	require.Len(t, h.control.wanted, before)
	h.put("2018-09-01", store(map[string]any{"path": `\\fs2\B`, "encryptionCertBase64": certificate()}))
	require.Equal(t, share.Signed, h.board.Snapshot().Settings.Share.Transport)
	require.Empty(t, h.control.wanted[before].Share.Transport, "it may have changed since it was read")
	require.Empty(t, h.control.wanted[before].Recipients, "it is the key already")
}

func TestRestoreChecksWhatItIsGiven(t *testing.T) {
	h := start(t).enable()
	id := h.full()
	at := place + "/backups/" + string(id) + "/restore"
	for name, test := range map[string]struct {
		body         any
		code, target string
	}{
		"nothing":           {nil, "InvalidRequestContent", ""},
		"no certificate":    {map[string]any{"roleName": "AD"}, "KeyInvalid", "decryptionCertBase64"},
		"a public one":      {map[string]any{"decryptionCertBase64": certificate()}, "KeyInvalid", "decryptionCertBase64"},
		"more behind":       {map[string]any{"decryptionCertBase64": base64.StdEncoding.EncodeToString([]byte("\x30\x03\x02\x01\x03\x00"))}, "KeyInvalid", "decryptionCertBase64"},
		"a large one":       {map[string]any{"decryptionCertBase64": strings.Repeat("AAAA", 25000)}, "KeyInvalid", "decryptionCertBase64"},
		"an unknown role":   {map[string]any{"roleName": "ECE", "decryptionCertBase64": pfx}, "InvalidRequestContent", "roleName"},
		"an unknown member": {map[string]any{"forceRestore": true, "decryptionCertBase64": pfx}, "InvalidRequestContent", "forceRestore"},
		"a password":        {map[string]any{"decryptionCertPassword": 1, "decryptionCertBase64": pfx}, "InvalidRequestContent", "decryptionCertPassword"},
		"a role not in it":  {map[string]any{"roleName": "KeyVaultDataPlane", "decryptionCertBase64": pfx}, "BackupNotRestorable", "roleName"},
	} {
		a := h.do("POST", at, "2018-09-01", test.body)
		require.Equal(t, test.code, a.code(), name+a.text)
		if test.target != "" {
			require.Equal(t, test.target, a.property("error", "target"), name)
		}
		require.Contains(t, a.text, `"type":"Remedy"`)
	}
	require.Equal(t, "BackupNotRestorable", h.do("POST", place+"/backups/64e8625a-8dc0-49df-a195-932901b4be80/restore", "2016-05-01", nil).code(), "it has failed")
	require.Equal(t, "RestoreNotAvailable", h.do("POST", at, "2016-05-01", nil).code(), "it brings no key")
	require.Empty(t, h.control.restored)
}

func TestPruneRights(t *testing.T) {
	h := start(t).enable()
	h.caller.refuse = map[string]bool{"Microsoft.Backup.Admin/backupLocations/pruneExternalStore/action": true}
	require.Equal(t, 202, h.do("POST", place+"/pruneExternalStore", "2018-09-01", map[string]any{"operationType": "DryRun"}).status)
	require.Equal(t, 403, h.do("POST", place+"/pruneExternalStore", "2018-09-01", map[string]any{"operationType": "Default"}).status)
	require.Equal(t, 403, h.do("POST", place+"/pruneExternalStore", "2018-09-01", nil).status)
	require.Equal(t, 403, h.do("POST", "/api/v1/locations/local/prune", "", nil).status)
	a := h.do("POST", place+"/pruneExternalStore", "2018-09-01", map[string]any{"operationType": "All"})
	require.Equal(t, "operationType", a.property("error", "target"))
	require.Equal(t, []bool{true}, h.control.dryRun)
}

func TestNamesKeepTheCallersSpelling(t *testing.T) {
	h := start(t).enable()
	h.full()
	for _, group := range []string{"System.local", "system.LOCAL"} {
		base := "//subscriptions/" + subscription + "/resourcegroups/" + group + "/PROVIDERS/microsoft.backup.admin/backuplocations/"
		a := h.do("GET", base+"Local/", "2018-09-01", nil)
		require.Equal(t, "/subscriptions/"+subscription+"/resourceGroups/"+group+"/providers/Microsoft.Backup.Admin/backupLocations/Local", a.property("id"))
		require.Equal(t, "Microsoft.Backup.Admin/backupLocations", a.property("type"))
		a = h.do("GET", base, "2018-09-01", nil)
		require.Contains(t, a.text, "/resourceGroups/"+group+"/providers/Microsoft.Backup.Admin/backupLocations/local\"")
		a = h.do("PUT", base+"Local", "2018-09-01", store(map[string]any{"path": `\\fs\` + group[:6]}))
		require.Equal(t, 202, a.status, a.text)
		require.Contains(t, a.header.Get("Location"), "/resourceGroups/system.local/providers/Microsoft.Backup.Admin/backupLocations/Local/operationResults/")
		h.control.settle()
		h.board.Apply(func(s *board.Snapshot) { s.Change = nil })
	}
}

func TestLists(t *testing.T) {
	h := start(t).enable()
	h.full()
	count := func(query, version string) int {
		a := h.do("GET", place+"/backups"+query, version, nil)
		require.Equal(t, 200, a.status, a.text)
		require.Contains(t, a.text, `"nextLink":null`)
		return len(a.property("value").([]any))
	}
	require.Equal(t, 2, count("", "2018-09-01"))
	require.Equal(t, 1, count("?%24top=1", "2018-09-01"))
	require.Equal(t, 1, count("?$skip=1&$top=5", "2021-09-01"))
	require.Equal(t, 0, count("?$skip=9", "2018-09-01"))
	require.Equal(t, 2, count("?$top=1", "2016-05-01"), "2016-05-01 has no pages")
	for _, query := range []string{"?$top=-1", "?$skip=x", "?$top=1.5"} {
		a := h.do("GET", place+"/backups"+query, "2018-09-01", nil)
		require.Equal(t, "InvalidQueryParameterValue", a.code())
	}
	a := h.do("GET", place, "2018-09-01", nil)
	require.Equal(t, "29.6 TB", a.property("properties", "externalStoreDefault", "availableCapacity"))
	require.Equal(t, "2026-11-28T10:00:00Z", a.property("properties", "externalStoreDefault", "lastBackupTime"))
	require.Equal(t, true, h.do("GET", place+"/backups/64e8625a-8dc0-49df-a195-932901b4be81", "2018-09-01", nil).property("properties", "backupInfo", "isCloudRecoveryReady"))
}

// TestLocationsPointToUsAlone: nothing that a request says decides where a client sends its
// token next.
func TestLocationsPointToUsAlone(t *testing.T) {
	h := start(t).enable()
	r, err := http.NewRequestWithContext(t.Context(), "POST", h.server.URL+place+"/createBackup?api-version=2018-09-01", nil)
	require.NoError(t, err)
	r.Host = "evil.example"
	r.Header.Set("Referer", "https://evil.example/")
	r.Header.Set("X-Forwarded-Host", "evil.example")
	r.Header.Set("x-ms-return-client-request-id", "true")
	r.Header.Set("x-ms-client-request-id", "c0ffee00-0000-0000-0000-000000000000")
	r.Header.Set("x-ms-correlation-request-id", "C0FFEE00-0000-0000-0000-000000000001")
	a := h.send(r)
	require.Equal(t, 202, a.status)
	require.NotContains(t, a.header.Get("Location"), "evil")
	require.Equal(t, "c0ffee00-0000-0000-0000-000000000000", a.header.Get("x-ms-client-request-id"))
	require.Equal(t, "C0FFEE00-0000-0000-0000-000000000001", a.header.Get("x-ms-correlation-request-id"))
	require.NotEmpty(t, a.header.Get("x-ms-ratelimit-remaining-subscription-writes"))
	require.NotEmpty(t, h.do("GET", "/providers/Microsoft.Backup.Admin/operations", "2018-09-01", nil).header.Get("x-ms-ratelimit-remaining-tenant-reads"))
	require.NotEmpty(t, h.do("GET", place, "2018-09-01", nil).header.Get("x-ms-ratelimit-remaining-subscription-reads"))
	m := h.do("GET", "/metadata/endpoints", "2015-01-01", nil)
	require.Equal(t, "https://login.example/adfs", m.property("authentication", "loginEndpoint"))
	require.Equal(t, 400, h.do("GET", "/metadata/endpoints", "2031-01-01", nil).status)
}
