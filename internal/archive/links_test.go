package archive

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
)

// policies are the references of a vault with n access policies.
func policies(n int) []backup.Reference {
	out := make([]backup.Reference, n)
	for i := range out {
		out[i] = backup.Reference{Relation: "principal", Service: backup.AD, Target: fmt.Sprintf("sid:s-1-5-21-1004336348-1177238915-682003330-%d", i)}
	}
	return out
}

func TestWriterBoundsReferences(t *testing.T) {
	longest := strings.Repeat("\x01", backup.MaxTargetBytes)
	for name, tc := range map[string]struct {
		given   []backup.Reference
		before  int64
		kept    int
		leftOut int64
	}{
		"few":               {policies(3), 0, 3, 0},
		"few of many":       {policies(3), 40, 3, 40},
		"as many as can be": {policies(backup.MaxReferences), 0, backup.MaxReferences, 0},
		"thousands":         {policies(50_000), 0, backup.MaxReferences, 50_000 - backup.MaxReferences},
		"odd targets": {[]backup.Reference{
			{Relation: "a", Service: backup.AD, Target: ""}, {Relation: "a", Service: backup.AD, Target: longest + "x"},
			{Relation: "a", Service: backup.AD, Target: "\xff"}, {Relation: "a", Service: backup.AD, Target: longest},
		}, 0, 1, 3},
		"all as long as can be": {slices.Repeat([]backup.Reference{{Relation: strings.Repeat("r", 63), Service: backup.KeyVault, Target: longest}}, 1000), 0, 20, 980},
	} {
		t.Run(name, func(t *testing.T) {
			var catalog bytes.Buffer
			entries := NewCatalogWriter(&catalog)
			w, err := NewWriter(io.Discard, backup.KeyVault, entries.Add)
			require.NoError(t, err)
			item := backup.Item{Kind: "vault", ID: "v", Name: strings.Repeat("n", 10_000), References: tc.given, ReferencesLeftOut: tc.before}
			require.NoError(t, w.Record(item, []byte("{}")))
			item.Kind = "vault-file"
			require.NoError(t, w.File(item, collect.FileInfo{Path: "v"}, strings.NewReader("")))
			_, err = w.Close()
			require.NoError(t, err)
			require.NoError(t, entries.Close())
			got, err := readCatalog(catalog.Bytes())
			require.NoError(t, err)
			require.Len(t, got, 2)
			for _, e := range got {
				require.Len(t, e.References, tc.kept)
				require.Equal(t, tc.leftOut, e.ReferencesLeftOut)
			}
		})
	}
}

// TestWriterRefusesMalformedLinks: these are defects of a collector, whatever the
// source holds.
func TestWriterRefusesMalformedLinks(t *testing.T) {
	for name, item := range map[string]backup.Item{
		"unknown service": {References: []backup.Reference{{Relation: "a", Service: "DNS", Target: "x"}}},
		"service's case":  {References: []backup.Reference{{Relation: "a", Service: "ad", Target: "x"}}},
		"no relation":     {References: []backup.Reference{{Service: backup.AD, Target: "x"}}},
		"odd relation":    {References: []backup.Reference{{Relation: "A\n", Service: backup.AD, Target: "x"}}},
		"empty alias":     {Aliases: []string{""}},
		"long alias":      {Aliases: []string{strings.Repeat("a", backup.MaxAliasBytes+1)}},
		"many aliases":    {Aliases: make([]string, backup.MaxAliases+1)},
		"negative rest":   {ReferencesLeftOut: -1},
	} {
		t.Run(name, func(t *testing.T) {
			item.Kind, item.ID = "x", "1"
			w, err := NewWriter(io.Discard, backup.CA, func(backup.CatalogEntry) error { return nil })
			require.NoError(t, err)
			require.ErrorIs(t, w.Record(item, []byte("{}")), fault.Internal)
			_, err = w.Close()
			require.ErrorIs(t, err, fault.Internal)
		})
	}
}

// TestWriterCopiesLinks: a record waits for its batch, and the collector may use its
// lists again meanwhile.
func TestWriterCopiesLinks(t *testing.T) {
	var got []backup.CatalogEntry
	w, err := NewWriter(io.Discard, backup.CRP, func(e backup.CatalogEntry) error {
		got = append(got, e)
		return nil
	})
	require.NoError(t, err)
	aliases, references := []string{"a"}, []backup.Reference{{Relation: "disk", Service: backup.CRP, Target: "d"}}
	require.NoError(t, w.Record(backup.Item{Kind: "x", ID: "1", Aliases: aliases, References: references}, []byte("{}")))
	aliases[0], references[0].Target = "z", "z"
	_, err = w.Close()
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, got[0].Aliases)
	require.Equal(t, "d", got[0].References[0].Target)
}

// TestBatchesEndWithManyLinks: records that say little and refer to much do not wait
// for a megabyte of them.
func TestBatchesEndWithManyLinks(t *testing.T) {
	published := 0
	w, err := NewWriter(io.Discard, backup.KeyVault, func(backup.CatalogEntry) error {
		published++
		return nil
	})
	require.NoError(t, err)
	references := policies(backup.MaxReferences)
	for i := range 100 {
		require.NoError(t, w.Record(backup.Item{Kind: "vault", ID: fmt.Sprint(i), References: references}, []byte("{}")))
		require.LessOrEqual(t, i-published, maxBatchLinks/backup.MaxReferences)
	}
	summary, err := w.Close()
	require.NoError(t, err)
	require.Equal(t, int64(100), summary.Items)
}
