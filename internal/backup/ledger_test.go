package backup

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func testEntry() LedgerEntry {
	return LedgerEntry{
		Sequence: 2, Previous: testDigest, At: started, Instance: "lab", Controller: "7c9e6679-7425-40de-944b-e07fc1f90ae7",
		Action: LedgerCreated, BackupID: testID, Folder: FolderName(testID, started), SumsSHA256: testDigest,
		Recipients: []Recipient{{Kind: "x25519", Fingerprint: "SHA256:x"}}, By: `CORP\admin <a&b>`, Signer: "SHA256:y",
	}
}

// gone makes the entry one of a backup that was removed.
func gone(e *LedgerEntry) { e.Action, e.SumsSHA256, e.Recipients = LedgerDeleted, "", nil }

// begin makes the entry the first of a chain.
func begin(e *LedgerEntry) {
	e.Sequence, e.Previous, e.Action = 1, "", LedgerBegun
	e.BackupID, e.Folder, e.SumsSHA256, e.Recipients = "", "", "", nil
}

func TestLedgerEntryRoundTrip(t *testing.T) {
	for name, change := range map[string]func(*LedgerEntry){
		"created": func(*LedgerEntry) {},
		"deleted": gone,
		"begun":   begin,
		"signer":  func(e *LedgerEntry) { begin(e); e.Action, e.Key = LedgerSigner, "ssh-ed25519 AAAA" },
		"pruned":  func(e *LedgerEntry) { gone(e); e.Action = LedgerPruned },
		"adopted": func(e *LedgerEntry) { e.Action = LedgerAdopted },
	} {
		e := testEntry()
		change(&e)
		line, err := e.Encode()
		require.NoError(t, err, name)
		require.Equal(t, 1, strings.Count(string(line), "\n"), name)
		got, err := DecodeLedgerEntry(line)
		require.NoError(t, err, name)
		require.Equal(t, e, got, name)
	}
}

func TestLedgerEntryRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*LedgerEntry)
		reason string
	}{
		"sequence 0":           {func(e *LedgerEntry) { e.Sequence = 0 }, "out of range"},
		"sequence too large":   {func(e *LedgerEntry) { e.Sequence = MaxLedgerEntries + 1 }, "out of range"},
		"second without first": {func(e *LedgerEntry) { e.Previous = "" }, "previous"},
		"first with previous":  {func(e *LedgerEntry) { e.Sequence = 1 }, "previous"},
		"previous":             {func(e *LedgerEntry) { e.Previous = "x" }, "SHA-256"},
		"no time":              {func(e *LedgerEntry) { e.At = time.Time{} }, "time"},
		"local time":           {func(e *LedgerEntry) { e.At = e.At.In(time.FixedZone("", 3600)) }, "UTC"},
		"instance":             {func(e *LedgerEntry) { e.Instance = "../lab" }, "instance name"},
		"controller":           {func(e *LedgerEntry) { e.Controller = "me" }, "GUID"},
		"no signer":            {func(e *LedgerEntry) { e.Signer = "" }, "signer"},
		"long text":            {func(e *LedgerEntry) { e.By = strings.Repeat("x", maxLedgerText+1) }, "too long"},
		"text not UTF-8":       {func(e *LedgerEntry) { e.By = "\xff" }, "UTF-8"},
		"long line": {func(e *LedgerEntry) {
			e.By, e.Signer = strings.Repeat("\x01", maxLedgerText), strings.Repeat("\x01", maxLedgerText)
		}, "at most"},
		"many recipients":      {func(e *LedgerEntry) { e.Recipients = make([]Recipient, maxLedgerRecipients+1) }, "recipients"},
		"unknown action":       {func(e *LedgerEntry) { e.Action = "moved" }, "unknown"},
		"no action":            {func(e *LedgerEntry) { e.Action = "" }, "unknown"},
		"no backup":            {func(e *LedgerEntry) { e.BackupID = "" }, "differ"},
		"no folder":            {func(e *LedgerEntry) { e.Folder = "" }, "not the folder"},
		"folder of another":    {func(e *LedgerEntry) { e.Folder = FolderName("1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", started) }, "differ"},
		"no sums":              {func(e *LedgerEntry) { e.SumsSHA256 = "" }, "SHA-256"},
		"gone with sums":       {func(e *LedgerEntry) { e.Action = LedgerPruned }, "no sums"},
		"gone with recipients": {func(e *LedgerEntry) { gone(e); e.Recipients = make([]Recipient, 1) }, "no sums"},
		"begun with a backup":  {func(e *LedgerEntry) { e.Action = LedgerBegun }, "no backup"},
		"signer without a key": {func(e *LedgerEntry) { begin(e); e.Action = LedgerSigner }, "key"},
		"begun with a key":     {func(e *LedgerEntry) { begin(e); e.Key = "k" }, "key"},
		"a backup with a key":  {func(e *LedgerEntry) { e.Key = "k" }, "key"},
		"year that JSON lacks": {func(e *LedgerEntry) { e.At = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, "encode"},
	} {
		t.Run(name, func(t *testing.T) {
			e := testEntry()
			tc.change(&e)
			_, err := e.Encode()
			require.ErrorContains(t, err, tc.reason)
		})
	}
}

func TestLedgerEntryTakesOneSpellingOnly(t *testing.T) {
	line, err := testEntry().Encode()
	require.NoError(t, err)
	text := string(line)
	for name, changed := range map[string]string{
		"nothing":           "",
		"no newline":        strings.TrimSuffix(text, "\n"),
		"two newlines":      text + "\n",
		"two lines":         text + text,
		"a space":           strings.Replace(text, ":", ": ", 1),
		"an unknown field":  strings.Replace(text, "{", `{"x":1,`, 1),
		"a field twice":     strings.Replace(text, "{", `{"sequence":2,`, 1),
		"letters' case":     strings.Replace(text, `"sequence"`, `"Sequence"`, 1),
		"an escape":         strings.Replace(text, "<a&b>", `\u003ca&b>`, 1),
		"an offset":         strings.Replace(text, "00Z", "00+00:00", 1),
		"another order":     strings.Replace(text, `{"sequence":2,"previous":"`+testDigest+`"`, `{"previous":"`+testDigest+`","sequence":2`, 1),
		"an empty list":     strings.Replace(text, `"by"`, `"key":"","by"`, 1),
		"another type":      "[]\n",
		"larger than taken": strings.Repeat(" ", maxLedgerLine) + text,
	} {
		require.NotEqual(t, text, changed, name)
		_, err := DecodeLedgerEntry([]byte(changed))
		require.Error(t, err, name)
	}
}

func TestSameOperation(t *testing.T) {
	repeated := testEntry()
	repeated.Sequence, repeated.At, repeated.By, repeated.Signer = 9, started.Add(time.Hour), "another", "SHA256:z"
	require.True(t, testEntry().SameOperation(repeated))
	for name, change := range map[string]func(*LedgerEntry){
		"action":     func(e *LedgerEntry) { e.Action = LedgerAdopted },
		"backup":     func(e *LedgerEntry) { e.BackupID = "1b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11" },
		"folder":     func(e *LedgerEntry) { e.Folder = FolderName(testID, started.Add(time.Second)) },
		"sums":       func(e *LedgerEntry) { e.SumsSHA256 = strings.Repeat("0", 64) },
		"key":        func(e *LedgerEntry) { e.Key = "k" },
		"controller": func(e *LedgerEntry) { e.Controller = string(testID) },
	} {
		other := testEntry()
		change(&other)
		require.False(t, testEntry().SameOperation(other), name)
	}
}

func TestLedgerNames(t *testing.T) {
	require.Equal(t, "00000007.entry", LedgerFile(7))
	n, err := ParseLedgerFile("00000007.entry")
	require.NoError(t, err)
	require.EqualValues(t, 7, n)
	for _, name := range []string{"", "7.entry", "00000000.entry", "00050001.entry", "00000007.entry.part-x", "00000007.entry\n", "000000007.entry"} {
		_, err := ParseLedgerFile(name)
		require.Error(t, err, name)
	}
	head := LedgerHead{Sequence: 50_000, SHA256: testDigest}
	again, err := ParseLedgerHead(head.String())
	require.NoError(t, err)
	require.Equal(t, head, again)
	for _, text := range []string{"", "1", "0:" + testDigest, "01:" + testDigest, "50001:" + testDigest, "1:x", "1:" + strings.ToUpper(testDigest)} {
		_, err := ParseLedgerHead(text)
		require.Error(t, err, text)
	}
}

func FuzzDecodeLedgerEntry(f *testing.F) {
	for _, change := range []func(*LedgerEntry){func(*LedgerEntry) {}, gone, begin} {
		e := testEntry()
		change(&e)
		line, err := e.Encode()
		require.NoError(f, err)
		f.Add(line)
	}
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := DecodeLedgerEntry(line)
		if err != nil {
			return
		}
		again, err := e.Encode()
		require.NoError(t, err)
		require.Equal(t, line, again, "what is taken is what is written")
	})
}

func TestAuditSortsFindings(t *testing.T) {
	finding := func(code, file string) Finding { return Finding{Code: code, File: file, Message: code} }
	a := Audit{Findings: []Finding{
		finding("BACKUP_MISSING", "lab/backups/a"), finding("BACKUP_DAMAGED", "lab/backups/b/SHA256SUMS"),
		finding("BACKUP_UNLISTED", "lab/backups/b"), finding("BACKUP_UNLISTED", "lab/backups/bc"), finding("BACKUP_DAMAGED", "lab/RECOVERY.txt"),
	}}
	a.Add(Verdict{BackupID: testID, Path: "lab/backups/b", Findings: []Finding{
		finding("BACKUP_DAMAGED", "lab/backups/b/SHA256SUMS"), finding("BACKUP_DAMAGED", "lab/RECOVERY.txt"), finding("BACKUP_FORGED", "lab/allowed_signers"),
	}})
	require.Equal(t, []Finding{
		finding("BACKUP_MISSING", "lab/backups/a"), finding("BACKUP_UNLISTED", "lab/backups/bc"),
		finding("BACKUP_DAMAGED", "lab/RECOVERY.txt"), finding("BACKUP_FORGED", "lab/allowed_signers"),
	}, a.Findings)
	require.Len(t, a.Backups, 1)
	require.Equal(t, []Finding{finding("BACKUP_DAMAGED", "lab/backups/b/SHA256SUMS"), finding("BACKUP_UNLISTED", "lab/backups/b")}, a.Backups[0].Findings)
	require.False(t, a.Good())

	good := Audit{}
	good.Add(Verdict{BackupID: testID, Path: "lab/backups/b"})
	require.True(t, good.Good())
	good.Backups[0].Findings = []Finding{finding("BACKUP_DAMAGED", "lab/backups/b")}
	require.False(t, good.Good())
}
