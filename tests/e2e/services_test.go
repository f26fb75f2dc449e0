package e2e

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/tests/lab/stamp/inventory"
)

// everyItem compares a backup with what the lab's stamp held.
func (o *operator) everyItem(done backup.Overview) {
	t := o.t
	b := openWithStockTools(t, filepath.Join(o.env["LAB_SHARE_DIR"], filepath.FromSlash(done.Path)), o.file("operator.key"))
	held, versions := b.requireStore(slices.Values(linesOf[inventory.Document](o, "documents.jsonl")), slices.Values(linesOf[inventory.VaultObject](o, "vault-objects.jsonl")))
	require.Greater(t, held, 200)
	require.Greater(t, versions, 20)
	t.Logf("the backup holds all %d documents and %d vault versions of the stamp, byte for byte", held, versions)

	// The search for canaries would find them: values of secrets are where they belong.
	inside := 0
	for _, secret := range o.stampSecrets() {
		if slices.ContainsFunc(b.vaults, func(document string) bool { return strings.Contains(document, secret) }) {
			inside++
		}
	}
	require.Greater(t, inside, 10)
}

// linesOf reads a file that the lab wrote about its stamp.
func linesOf[T any](o *operator, name string) []T {
	o.t.Helper()
	var all []T
	decoder := json.NewDecoder(strings.NewReader(readAll(o.t, filepath.Join(o.env["LAB_ARM_CONTENTS"], name))))
	for decoder.More() {
		var one T
		require.NoError(o.t, decoder.Decode(&one))
		all = append(all, one)
	}
	return all
}

// eightServices checks what the commands say of a whole backup.
func (o *operator) eightServices(shown backup.Overview, deep backup.Verdict) {
	t := o.t
	require.Equal(t, backup.Succeeded, shown.Status)
	items := int64(0)
	var services []backup.Service
	for _, s := range shown.Services {
		services = append(services, s.Service)
		require.Equal(t, backup.Succeeded, s.Status, "%s: %s", s.Service, s.Message)
		require.Positive(t, s.Items, s.Service)
		items += s.Items
	}
	require.Equal(t, backup.Services(), services)
	require.Equal(t, items, deep.Items)

	c := shown.Consistency
	require.NotNil(t, c)
	require.Positive(t, c.Skew.SpreadMS)
	require.Len(t, c.Relations, 22, "every relation that a stamp has")
	require.Len(t, linesOf[map[string]string](o, "dangling.jsonl"), len(c.Dangling))
	checked, dangling, unchecked := c.Totals()
	require.Positive(t, checked)
	require.Zero(t, dangling)
	require.Zero(t, unchecked)
	text := o.run("backup", "show", "latest")
	require.Zero(t, text.code, text.stderr)
	require.Regexp(t, `(?m)^Captured: +.* in all$`, text.stdout)
	require.Regexp(t, `(?m)^Apart: `, text.stdout)
	require.Regexp(t, `(?m)^References: +[1-9][0-9]* checked, 0 dangling, 0 unchecked$`, text.stdout)
}
