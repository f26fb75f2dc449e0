package archive

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

func catalogEntry(i int) backup.CatalogEntry {
	return backup.CatalogEntry{
		Service: backup.AD, Item: backup.Item{Kind: "directory-object", ID: fmt.Sprint("id-", i), Name: "<Ünal & Söhne>"},
		SHA256: strings.Repeat("ab", 32), Path: "directory-object/000001.jsonl", Offset: int64(i) * 100, Length: 99,
	}
}

func writeCatalog(t testing.TB, entries ...backup.CatalogEntry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewCatalogWriter(&out)
	for _, e := range entries {
		require.NoError(t, w.Add(e))
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

func readCatalog(zst []byte) (got []backup.CatalogEntry, err error) {
	err = ReadCatalog(bytes.NewReader(zst), func(e backup.CatalogEntry) error {
		got = append(got, e)
		return nil
	})
	return got, err
}

func TestCatalogRoundTrip(t *testing.T) {
	var want []backup.CatalogEntry
	for i := range 20_000 {
		want = append(want, catalogEntry(i))
	}
	odd := catalogEntry(1)
	odd.ID, odd.Name, odd.Path, odd.Supersedes = "\xff\x00", "a\nb\xfe", "not-utf8/\xff\xfe", true
	want = append(want, odd)
	linked := catalogEntry(2)
	linked.Aliases, linked.ReferencesLeftOut = []string{"sid:s-1-5-18", "größe"}, 3
	linked.References = []backup.Reference{{Relation: "disk", Service: backup.CRP, Target: "/a&b/<c>"}, {Relation: "principal", Service: backup.AD, Target: "sid:s-1-5-18"}}
	want = append(want, linked)
	zst := writeCatalog(t, want...)
	require.Equal(t, zst, writeCatalog(t, want...), "deterministic")
	got, err := readCatalog(zst)
	require.NoError(t, err)
	require.Equal(t, want, got)

	got, err = readCatalog(writeCatalog(t))
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestReadCatalogPassesErrorsOn(t *testing.T) {
	stop := errors.New("stop")
	zst := writeCatalog(t, catalogEntry(1), catalogEntry(2))
	require.Equal(t, stop, ReadCatalog(bytes.NewReader(zst), func(backup.CatalogEntry) error { return stop }))
	require.ErrorIs(t, ReadCatalog(&failing{err: stop}, nil), stop)
}

func TestCatalogWriterRefuses(t *testing.T) {
	w := NewCatalogWriter(&bytes.Buffer{})
	bad := catalogEntry(1)
	bad.Path = "../x"
	require.ErrorIs(t, w.Add(bad), fault.Internal)
	long := catalogEntry(1)
	long.Name = strings.Repeat("x", maxCatalogLine)
	require.ErrorIs(t, w.Add(long), fault.LimitExceeded)
	require.NoError(t, w.Close())
	require.Error(t, w.Close())
	require.Error(t, w.Add(catalogEntry(1)))
	require.Error(t, NewCatalogWriter(&failing{err: errors.New("disk")}).Close())
}

func TestReadCatalogRefuses(t *testing.T) {
	const (
		head  = `{"type":"infrabackup-catalog","format":1}` + "\n"
		entry = `{"service":"AD","kind":"x","id":"1","name":"n","sha256":"abababababababababababababababababababababababababababababababab","path":"x/1","offset":0,"length":1}` + "\n"
		end   = `{"end":{"items":1}}` + "\n"
	)
	got, err := readCatalog(compress(t, []byte(head+entry+end)))
	require.NoError(t, err)
	require.Len(t, got, 1)
	swap := func(from, to string) string { return head + strings.Replace(entry, from, to, 1) + end }
	for name, tc := range map[string]struct {
		plain string
		want  fault.Code
	}{
		"nothing":          {"", fault.BackupDamaged},
		"no head":          {entry + end, fault.BackupDamaged},
		"other format":     {strings.Replace(head, "1", "2", 1) + entry + end, fault.FormatUnknown},
		"no end":           {head + entry, fault.BackupDamaged},
		"cut line":         {head + entry[:50], fault.BackupDamaged},
		"end without line": {head + entry + strings.TrimSpace(end), fault.BackupDamaged},
		"wrong count":      {head + entry + entry + end, fault.BackupDamaged},
		"behind the end":   {head + entry + end + "\n", fault.BackupDamaged},
		"item in the end":  {head + entry + `{"id":"1","end":{"items":1}}` + "\n", fault.BackupDamaged},
		"unknown field":    {swap(`"id"`, `"extra":1,"id"`), fault.BackupDamaged},
		"two documents":    {swap("}\n", "}{}\n"), fault.BackupDamaged},
		"no item":          {head + "{}\n" + end, fault.BackupDamaged},
		"unknown service":  {swap("AD", "XX"), fault.BackupDamaged},
		"service's case":   {swap("AD", "ad"), fault.BackupDamaged},
		"bad kind":         {swap(`"kind":"x"`, `"kind":"../x"`), fault.BackupDamaged},
		"no id":            {swap(`"id":"1"`, `"id":""`), fault.BackupDamaged},
		"bad digest":       {swap("abab", "ABAB"), fault.BackupDamaged},
		"bad path":         {swap("x/1", "../1"), fault.BackupDamaged},
		"negative offset":  {swap(`"offset":0`, `"offset":-1`), fault.BackupDamaged},
		"overflow":         {swap(`"offset":0`, `"offset":9223372036854775807`), fault.BackupDamaged},
		"empty alias":      {swap(`"id"`, `"aliases":["a",""],"id"`), fault.BackupDamaged},
		"long alias":       {swap(`"id"`, `"aliases":["`+strings.Repeat("a", backup.MaxAliasBytes+1)+`"],"id"`), fault.BackupDamaged},
		"many aliases":     {swap(`"id"`, `"aliases":["a"`+strings.Repeat(`,"a"`, backup.MaxAliases)+`],"id"`), fault.BackupDamaged},
		"bad relation":     {swap(`"id"`, `"references":[{"relation":"A b","service":"AD","target":"x"}],"id"`), fault.BackupDamaged},
		"no relation":      {swap(`"id"`, `"references":[{"service":"AD","target":"x"}],"id"`), fault.BackupDamaged},
		"target nowhere":   {swap(`"id"`, `"references":[{"relation":"a","service":"DNS","target":"x"}],"id"`), fault.BackupDamaged},
		"no target":        {swap(`"id"`, `"references":[{"relation":"a","service":"AD"}],"id"`), fault.BackupDamaged},
		"long target":      {swap(`"id"`, `"references":[{"relation":"a","service":"AD","target":"`+strings.Repeat("a", backup.MaxTargetBytes+1)+`"}],"id"`), fault.BackupDamaged},
		"many references":  {swap(`"id"`, `"references":[{"relation":"a","service":"AD","target":"x"}`+strings.Repeat(`,{"relation":"a","service":"AD","target":"x"}`, backup.MaxReferences)+`],"id"`), fault.BackupDamaged},
		"odd reference":    {swap(`"id"`, `"references":[{"relation":"a","service":"AD","target":"x","more":1}],"id"`), fault.BackupDamaged},
		"negative rest":    {swap(`"id"`, `"referencesLeftOut":-1,"id"`), fault.BackupDamaged},
		"long line":        {head + strings.Repeat("x", maxCatalogLine+1) + "\n" + end, fault.BackupDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readCatalog(compress(t, []byte(tc.plain)))
			require.ErrorIs(t, err, tc.want)
		})
	}
	_, err = readCatalog(rleFrames(100))
	require.ErrorIs(t, err, fault.BackupDamaged, "a bomb is a line that is too long")
	zst := compress(t, []byte(head+entry+end))
	_, err = readCatalog(zst[:len(zst)-3])
	require.ErrorIs(t, err, fault.BackupDamaged)
}
