package keyvault_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/fault"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
	"infrabackup/tests/tier"
)

// TestChanges changes a vault when it has been read and is looked at again.
func TestChanges(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world)
		items  []string
		gaps   map[string]string
	}{
		"nothing": {func(*world) {}, []string{"a/v1", "a/backup", "b/v1", "b/backup"}, map[string]string{}},
		"new":     {func(w *world) { w.put("secrets", "c", "v1") }, []string{"a/v1", "a/backup", "b/v1", "b/backup", "c/v1", "c/backup"}, map[string]string{}},
		"version": {func(w *world) { w.put("secrets", "a", "v1", "v2") }, []string{"a/v1", "a/v2", "a/backup", "b/v1", "b/backup"}, map[string]string{}},
		"deleted": {func(w *world) { w.DeleteVaultObject(w.vault, "secrets", "a") }, []string{"a/v1", "a/backup", "b/v1", "b/backup"}, map[string]string{"secrets/a": resource.GapVanished}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put("secrets", "a", "v1")
			w.put("secrets", "b", "v1")
			var looks atomic.Int64
			w.once(t, func(r *http.Request) bool { return w.on("GET", "/keys")(r) && looks.Add(1) == 2 }, func() { c.change(w) })
			r, err := w.capture(t)
			require.NoError(t, err)
			var got []string
			for _, item := range names(w.items(t, r)) {
				got = append(got, item[strings.Index(item, "secrets/")+len("secrets/"):])
			}
			require.ElementsMatch(t, c.items, got)
			require.Equal(t, c.gaps, w.gaps(r))
			requireCurrent(t, w, r)
		})
	}
}

// requireCurrent makes sure that the last document of each item is what the vault holds.
func requireCurrent(t *testing.T, w *world, r *collecttest.Recorder) {
	t.Helper()
	items := w.items(t, r)
	for o := range w.VaultObjects() {
		for _, v := range o.Versions {
			if o.Vault == w.vault && o.Kind == "secrets" {
				require.Equal(t, string(v.Body), items[strings.ToLower("vault-secret-version secrets/"+o.Name+"/"+v.Version)])
			}
		}
	}
}

// TestVanishingObject deletes a secret between its list and its reading.
func TestVanishingObject(t *testing.T) {
	for _, at := range []string{"/secrets/a/versions", "/secrets/a/v2", "/secrets/a/backup"} {
		t.Run(at, func(t *testing.T) {
			w := newWorld(t)
			w.put("secrets", "a", "v1", "v2")
			w.put("secrets", "b", "v1")
			w.once(t, func(r *http.Request) bool { return w.on(r.Method, at)(r) }, func() { w.DeleteVaultObject(w.vault, "secrets", "a") })
			r, err := w.capture(t)
			require.NoError(t, err)
			require.Equal(t, resource.GapVanished, w.gaps(r)["secrets/a"])
			for _, g := range r.Gaps() {
				require.Zero(t, g.Count, "one object is one object, however often it was missed")
			}
			requireCurrent(t, w, r)
		})
	}
}

// TestRestlessVault changes a secret whenever it is read: three rounds, and no more.
func TestRestlessVault(t *testing.T) {
	w := newWorld(t)
	w.put("secrets", "a", "v1")
	var rounds atomic.Int64
	defer w.Observe(func(r *http.Request) {
		if w.on("GET", "/certificates")(r) && r.URL.Query().Get("maxresults") == "25" {
			w.put("secrets", "a", "v1", fmt.Sprint("x", rounds.Add(1)))
		}
	})()
	_, err := w.capture(t)
	require.NoError(t, err)
	require.EqualValues(t, 3, rounds.Load())
}

// TestVersionsOfManyPages has a list of versions whose pages move while it is read.
func TestVersionsOfManyPages(t *testing.T) {
	w := newWorld(t)
	var versions []string
	for i := range 60 {
		versions = append(versions, fmt.Sprintf("v%03d", i))
	}
	w.put("secrets", "s", versions...)
	defer w.Inject(stamp.Fault{Kind: stamp.ShiftPage, Times: 1, Match: w.on("GET", "/secrets/s/versions")})()
	r, err := w.capture(t)
	require.NoError(t, err)
	require.Len(t, w.items(t, r), 61)
	requireCurrent(t, w, r)
}

// TestNoVersions has a vault that lists an object and none of its versions.
func TestNoVersions(t *testing.T) {
	w := newWorld(t)
	w.put("secrets", "s", "v1")
	defer w.Inject(stamp.Fault{Kind: stamp.Rewrite, Match: w.on("GET", "/secrets/s/versions"), Mutate: func([]byte) []byte { return []byte(`{"value":[]}`) }})()
	_, err := w.capture(t)
	requireFault(t, fault.SourceIncomplete, err)
}

// TestForeignAddresses has lists with addresses that are not the vault's.
func TestForeignAddresses(t *testing.T) {
	for name, c := range map[string]struct{ path, from, to string }{
		"of another host":     {"/secrets", "https://own.vault.", "https://other.vault."},
		"of another kind":     {"/secrets", "/secrets/s", "/keys/s"},
		"that climbs":         {"/secrets", "/secrets/s", "/secrets/../keys/s"},
		"of another object":   {"/secrets/s/versions", "/secrets/s/", "/secrets/other/"},
		"without a version":   {"/secrets/s/versions", "/secrets/s/v1", "/secrets/s"},
		"of deleted elements": {"/deletedsecrets", `{"value":[]`, `{"value":[{"id":"https://evil.example/secrets/s"}]`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put("secrets", "s", "v1")
			defer w.Inject(stamp.Fault{Kind: stamp.Rewrite, Match: w.on("GET", c.path), Mutate: func(body []byte) []byte {
				changed := bytes.ReplaceAll(body, []byte(c.from), []byte(c.to))
				require.NotEqual(t, string(body), string(changed))
				return changed
			}})()
			_, err := w.capture(t)
			requireFault(t, fault.SourceInvalid, err)
		})
	}
}

// TestMemory reads an object that is much larger than what may wait: what is read and
// not yet handed on stays bounded.
func TestMemory(t *testing.T) {
	tier.Weighs(t)
	const versions, size = 12, 1 << 20
	w := newWorld(t)
	w.config.TryTimeout = time.Minute
	o := inventory.VaultObject{Vault: w.vault, Kind: "secrets", Name: "large"}
	for i := range versions {
		o.Versions = append(o.Versions, w.version("secrets", "large", fmt.Sprintf("v%03d", i), func(v *inventory.VaultVersion) {
			v.Body = bytes.Repeat([]byte("x"), size)
		}))
	}
	w.PutVaultObject(o)
	var read, most atomic.Int64
	defer w.Observe(func(r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/secrets/large/v0") {
			read.Add(1)
		}
	})()
	handed := int64(0)
	sink := &countingSink{use: func(id string) {
		if strings.Contains(id, "/secrets/large/v0") {
			most.Store(max(most.Load(), read.Load()-handed))
			handed++
		}
	}}
	_, err := w.collector(t).Collect(t.Context(), sink)
	require.NoError(t, err)
	require.EqualValues(t, versions, handed)
	require.LessOrEqual(t, most.Load(), int64(5), "versions of a MiB were held")
}
