package backup

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	testID     = ID("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")
	testDigest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

var started = time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)

func testManifest() *Manifest {
	return &Manifest{
		Format: FormatVersion, Product: "infrabackup test", BackupID: testID, Status: PartialSucceeded,
		Instance:  Instance{Name: "lab", FQDN: "azurestack.example", Region: "local"},
		StartedAt: started, FinishedAt: started.Add(time.Minute), TotalBytes: 3,
		Services: []ServiceResult{
			{Service: AD, Status: Succeeded, File: "ad.tar.zst.age", Items: 1, Cursor: map[string]string{"b": "2", "a": "<1>"}, Gaps: []Gap{{Code: "X", Object: "o", Reason: "r"}}},
			{Service: CA, Status: Failed, Code: "SOURCE_UNREACHABLE"},
		},
		Files:      []File{{Name: "ad.tar.zst.age", Size: 3, SHA256: testDigest}},
		Recipients: []Recipient{{Kind: "x25519", Fingerprint: "SHA256:x"}},
		Consistency: &Consistency{
			Skew:      Skew{Start: started, End: started.Add(time.Minute), SpreadMS: 60_000, ApartMS: 5_000, First: AD, Last: RBAC},
			Relations: []RelationCount{{Relation: "disk", Checked: 7}, {Relation: "principal", Checked: 3, Dangling: 2, Unchecked: 1}},
			LeftOut:   4,
			Dangling: []DanglingReference{
				{Service: KeyVault, ID: "v", Name: "<V>", Relation: "principal", TargetService: AD, Target: "sid:1"},
				{Service: RBAC, ID: "a", Name: "A", Relation: "principal", TargetService: AD, Target: "sid:1"},
			},
		},
	}
}

func TestManifestRoundTrip(t *testing.T) {
	data, err := testManifest().Encode()
	require.NoError(t, err)
	again, err := testManifest().Encode()
	require.NoError(t, err)
	require.Equal(t, data, again, "the same manifest gives the same bytes")
	require.Contains(t, string(data), `"a": "<1>"`, "readable as it is")
	m, err := DecodeManifest(bytes.NewReader(data))
	require.NoError(t, err)
	require.Equal(t, testManifest(), m)
	require.Equal(t, PartialSucceeded, m.Overview("p").Status)
	require.Equal(t, m.Consistency, m.Overview("p").Consistency)

	m.Consistency = nil // as in manifests from before it was checked
	data, err = m.Encode()
	require.NoError(t, err)
	require.NotContains(t, string(data), "consistency")
	m, err = DecodeManifest(bytes.NewReader(data))
	require.NoError(t, err)
	require.Nil(t, m.Consistency)
	require.Nil(t, m.Consistency.Summary())
}

func TestManifestRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Manifest)
		reason string
	}{
		"other format":      {func(m *Manifest) { m.Format = 2 }, "format 2"},
		"no id":             {func(m *Manifest) { m.BackupID = "" }, "backup id"},
		"id with path":      {func(m *Manifest) { m.BackupID = "../../x" }, "backup id"},
		"instance":          {func(m *Manifest) { m.Instance.Name = "../lab" }, "instance name"},
		"no start":          {func(m *Manifest) { m.StartedAt = time.Time{} }, "startedAt"},
		"file outside":      {func(m *Manifest) { m.Files[0].Name = "../ad" }, "file name"},
		"file twice":        {func(m *Manifest) { m.Files = append(m.Files, m.Files[0]) }, "twice"},
		"negative size":     {func(m *Manifest) { m.Files[0].Size = -1 }, "negative"},
		"no digest":         {func(m *Manifest) { m.Files[0].SHA256 = "x" }, "SHA-256"},
		"service twice":     {func(m *Manifest) { m.Services[1].Service = AD }, "twice"},
		"unlisted file":     {func(m *Manifest) { m.Services[1].File = "ca.tar.zst.age" }, "not listed"},
		"negative count":    {func(m *Manifest) { m.Services[0].Items = -1 }, "negative"},
		"negative skew":     {func(m *Manifest) { m.Consistency.Skew.SpreadMS = -1 }, "skew"},
		"negative distance": {func(m *Manifest) { m.Consistency.Skew.ApartMS = -1 }, "skew"},
		"distance > spread": {func(m *Manifest) { m.Consistency.Skew.ApartMS = 60_002 }, "skew"},
		"relation's name":   {func(m *Manifest) { m.Consistency.Relations[0].Relation = "a b" }, "not a relation"},
		"relation twice":    {func(m *Manifest) { m.Consistency.Relations[0].Relation = "principal" }, "out of order"},
		"many relations": {func(m *Manifest) {
			m.Consistency.Relations = make([]RelationCount, MaxRelations+2)
		}, "relations"},
		"negative checks":   {func(m *Manifest) { m.Consistency.Relations[0].Checked = -1 }, "impossible"},
		"dangling > checks": {func(m *Manifest) { m.Consistency.Relations[1].Checked = 1 }, "impossible"},
		"negative rest":     {func(m *Manifest) { m.Consistency.LeftOut = -1 }, "negative"},
		"listed, uncounted": {func(m *Manifest) { m.Consistency.Relations[1].Dangling = 1 }, "than it counts"},
		"unknown relation":  {func(m *Manifest) { m.Consistency.Dangling[0].Relation = "x" }, "than it counts"},
		"list's order":      {func(m *Manifest) { m.Consistency.Dangling[0].Service = RBAC; m.Consistency.Dangling[0].ID = "b" }, "out of order"},
		"list's length":     {func(m *Manifest) { m.Consistency.Dangling = make([]DanglingReference, MaxDangling+1) }, "at most 200"},
		"dangling of none":  {func(m *Manifest) { m.Consistency.Dangling[0].ID = "" }, "no id"},
		"dangling to none":  {func(m *Manifest) { m.Consistency.Dangling[0].Target = "" }, "no id or target"},
		"long name":         {func(m *Manifest) { m.Consistency.Dangling[0].Name = strings.Repeat("x", MaxDanglingText+1) }, "too long"},
		"too large to read": {func(m *Manifest) { m.RequestedBy = strings.Repeat("x", MaxManifestBytes) }, "at most"},
	} {
		t.Run(name, func(t *testing.T) {
			m := testManifest()
			tc.change(m)
			_, err := m.Encode()
			require.ErrorContains(t, err, tc.reason)
		})
	}
	for name, data := range map[string]string{"nothing": "", "no JSON": "x", "two documents": "{}{}", "another type": "[]", "too large": strings.Repeat(" ", MaxManifestBytes+1)} {
		_, err := DecodeManifest(strings.NewReader(data))
		require.Error(t, err, name)
	}
	gone := errors.New("gone")
	_, err := DecodeManifest(iotest.ErrReader(gone))
	require.ErrorIs(t, err, gone)
}

func TestSums(t *testing.T) {
	files := []File{{Name: "manifest.json", SHA256: testDigest, Size: 5}, {Name: "key.age", SHA256: testDigest}}
	data := EncodeSums(files)
	require.Equal(t, testDigest+"  key.age\n"+testDigest+"  manifest.json\n", string(data))
	require.Equal(t, "manifest.json", files[0].Name, "the argument keeps its order")
	got, err := DecodeSums(data)
	require.NoError(t, err)
	require.Equal(t, []File{{Name: "key.age", SHA256: testDigest}, {Name: "manifest.json", SHA256: testDigest}}, got)
	for name, text := range map[string]string{
		"nothing":      "",
		"empty line":   "\n",
		"no end":       testDigest + "  key.age",
		"carriage":     testDigest + "  key.age\r\n",
		"binary mark":  testDigest + " *key.age\n",
		"one space":    testDigest + " key.age\n",
		"upper case":   strings.ToUpper(testDigest) + "  key.age\n",
		"short":        testDigest[1:] + "  key.age\n",
		"escaped":      "\\" + testDigest + "  key.age\n",
		"path":         testDigest + "  ../key.age\n",
		"folder":       testDigest + "  a/key.age\n",
		"no name":      testDigest + "  \n",
		"order":        testDigest + "  b\n" + testDigest + "  a\n",
		"twice":        testDigest + "  a\n" + testDigest + "  a\n",
		"too large":    strings.Repeat("x", MaxSumsBytes) + "\n",
		"many lines":   strings.Repeat(testDigest+"  a\n", maxSumsLines+1),
		"blank behind": testDigest + "  a\n\n",
	} {
		_, err := DecodeSums([]byte(text))
		require.Error(t, err, name)
	}
}

func TestNames(t *testing.T) {
	require.Equal(t, "keyvault.tar.zst.age", PartFile(KeyVault))
	local := started.In(time.FixedZone("", 7200))
	require.Equal(t, "backups/20261122T083000Z_"+string(testID), BackupPath(testID, local))
	require.Equal(t, "incoming/"+string(testID), IncomingPath(testID))
	id, at, err := ParseFolderName(FolderName(testID, local))
	require.NoError(t, err)
	require.Equal(t, testID, id)
	require.Equal(t, started, at)
	for _, name := range []string{"", "x", string(testID), "20261122T083000Z_", "20261322T083000Z_" + string(testID), "20260230T083000Z_" + string(testID),
		"20261122T083000Z_" + strings.ToUpper(string(testID)), "20261122T083000Z_" + string(testID) + "/..", "20261122T083000Z_------------------------------------"} {
		_, _, err := ParseFolderName(name)
		require.Error(t, err, name)
	}
	for name, ok := range map[string]bool{"lab": true, "a-1": true, "": false, "Lab": false, "-a": false, "a-": false, "a/b": false, "..": false, strings.Repeat("a", 64): false} {
		require.Equal(t, ok, ValidateInstanceName(name) == nil, name)
	}
}

func TestNewID(t *testing.T) {
	id, err := NewID(bytes.NewReader(bytes.Repeat([]byte{0xff}, 16)))
	require.NoError(t, err)
	require.Equal(t, ID("ffffffff-ffff-4fff-bfff-ffffffffffff"), id)
	_, err = ParseID(string(id))
	require.NoError(t, err)
	_, err = NewID(strings.NewReader("short"))
	require.Error(t, err)
}

func TestServicesAndStatuses(t *testing.T) {
	require.Len(t, Services(), 8)
	for i, s := range Services() {
		got, err := ParseService(strings.ToUpper(string(s)))
		require.NoError(t, err)
		require.Equal(t, s, got)
		require.Equal(t, i, s.Order())
	}
	_, err := ParseService("DNS")
	require.ErrorContains(t, err, "AD, CA")
	require.Equal(t, 8, Service("DNS").Order())

	good, bad := ServiceResult{Status: Succeeded}, ServiceResult{Status: Failed}
	require.Equal(t, Succeeded, Overall([]ServiceResult{good, good}))
	require.Equal(t, PartialSucceeded, Overall([]ServiceResult{good, bad}))
	require.Equal(t, Failed, Overall([]ServiceResult{bad}))
	require.Equal(t, Failed, Overall(nil), "nothing captured is no success")
	for status, final := range map[Status]bool{Creating: false, Queued: false, Running: false, Deleted: true, Failed: true, PartialSucceeded: true, Succeeded: true} {
		require.Equal(t, final, status.Final(), status)
	}
}

func FuzzDecodeManifest(f *testing.F) {
	data, err := testManifest().Encode()
	require.NoError(f, err)
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeManifest(bytes.NewReader(data))
		if err != nil {
			return
		}
		encoded, err := m.Encode()
		if err != nil {
			return // a time that Go reads and does not write
		}
		again, err := DecodeManifest(bytes.NewReader(encoded))
		require.NoError(t, err)
		twice, err := again.Encode()
		require.NoError(t, err)
		require.Equal(t, encoded, twice)
	})
}

func FuzzParseFolderName(f *testing.F) {
	f.Add(FolderName(testID, started))
	f.Fuzz(func(t *testing.T, name string) {
		if id, at, err := ParseFolderName(name); err == nil {
			require.Equal(t, name, FolderName(id, at), "one backup has one name")
		}
	})
}

func FuzzDecodeSums(f *testing.F) {
	f.Add(EncodeSums([]File{{Name: "a", SHA256: testDigest}, {Name: "b", SHA256: testDigest}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if files, err := DecodeSums(data); err == nil {
			require.Equal(t, string(data), string(EncodeSums(files)), "one list has one text")
		}
	})
}
