package directory

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/directory/dnsrecord"
	"infrabackup/internal/restore/directory/sysvol"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/restoretest"
	"infrabackup/internal/secret"
	"infrabackup/internal/share"
	"infrabackup/internal/share/smb"
)

// tree connects to SYSVOL of the lab's controller.
func (d *realDC) tree(ctx context.Context) (*smb.Tree, error) {
	u, err := url.Parse(d.env["LAB_LDAP_URL"])
	if err != nil {
		return nil, err
	}
	return smb.OpenTree(ctx, smb.Config{UNC: share.UNC{Host: u.Hostname(), Share: "SYSVOL"}, Username: d.env["LAB_LDAP_USER"], Password: secret.New(d.password), Transport: share.Signed})
}

// TestLabPolicies: a group policy comes back with its files, which are there before it says so;
// an undo takes both back.
func TestLabPolicies(t *testing.T) {
	d := useDC(t)
	const id = "{0A1B2C3D-0000-4000-8000-00000000F00D}"
	dn := "CN=" + id + ",CN=Policies,CN=System," + d.domain
	folder := dnsrecord.Domain(d.domain) + "/Policies/" + id
	tree, err := d.tree(t.Context())
	require.NoError(t, err)
	contents := map[string]string{folder + "/GPT.INI": "[General]\r\nVersion=65537\r\n", folder + "/Machine/Registry.pol": "PReg\x01\x00\x00\x00"}
	clear := func() {
		d.remove(t, dn)
		for _, name := range []string{"/GPT.INI", "/Machine/Registry.pol", "/Machine", "/later", ""} {
			if _, _, there, err := tree.Look(context.WithoutCancel(t.Context()), folder+name, 1<<20); err == nil && there {
				require.NoError(t, tree.Remove(context.WithoutCancel(t.Context()), folder+name))
			}
		}
	}
	clear()
	t.Cleanup(func() { clear(); require.NoError(t, tree.Close()) })
	d.add(t, dn, "objectClass", "groupPolicyContainer", "displayName", "of the test", "gPCFunctionalityVersion", "2", "flags", "0", "versionNumber", "65537", "gPCFileSysPath", `\\`+dnsrecord.Domain(d.domain)+`\SysVol\`+dnsrecord.Domain(d.domain)+`\Policies\`+id)
	d.add(t, "CN=Machine,"+dn, "objectClass", "container")
	records := d.capture(t, dn)
	source := records.source()
	catalog, object := source.Catalog, source.Item
	source.Catalog = func(ctx context.Context, fn func(backup.CatalogEntry) error) error {
		for _, name := range []string{folder, folder + "/Machine"} {
			if err := fn(backup.CatalogEntry{Service: backup.AD, Item: backup.Item{Kind: sysvol.KindFolder, ID: name, Name: name}, SHA256: restore.Digest([]byte(name))}); err != nil {
				return err
			}
		}
		for _, name := range slices.Sorted(maps.Keys(contents)) {
			content := contents[name]
			if err := fn(backup.CatalogEntry{Service: backup.AD, Item: backup.Item{Kind: sysvol.KindFile, ID: name, Name: name}, SHA256: restore.Digest([]byte(content)), Length: int64(len(content))}); err != nil {
				return err
			}
		}
		return catalog(ctx, fn)
	}
	source.Item = func(ctx context.Context, e backup.CatalogEntry) ([]byte, error) {
		if e.Kind == record.Kind {
			return object(ctx, e)
		}
		return []byte(contents[e.ID]), nil
	}
	state := func() string {
		text := d.dump(t, dn)
		for _, name := range []string{folder, folder + "/GPT.INI", folder + "/Machine", folder + "/Machine/Registry.pol", folder + "/later"} {
			content, _, there, err := tree.Look(t.Context(), name, 1<<20)
			require.NoError(t, err)
			if there {
				text += "\n" + name + " " + string(content)
			}
		}
		return text
	}
	r, err := New(Options{URL: d.env["LAB_LDAP_URL"], CACertificates: d.ca, Username: d.env["LAB_LDAP_USER"], Password: secret.New(d.password), SYSVOL: func(ctx context.Context) (sysvol.Share, error) { return d.tree(ctx) }})
	require.NoError(t, err)
	t.Cleanup(r.Close)

	round := func(name string, steps int) {
		t.Run(name, func(t *testing.T) {
			before := state()
			p, j := labPlan(t, r, source, restore.Selection{}), &restoretest.Journal{}
			require.Empty(t, p.Refusals)
			require.Equal(t, before, state())
			require.Len(t, writes(p), steps, "%v", writes(p))
			at := map[string]int{}
			for _, s := range p.Steps {
				if s.Phase == phaseObject && s.Writes() {
					at[s.Name] = s.N
				}
			}
			require.Less(t, at[folder+"/Machine/Registry.pol"], at[folder+"/GPT.INI"])
			if container, ok := at[dn]; ok {
				require.Less(t, at[folder+"/GPT.INI"], container)
			}
			labApply(t, r, source, p, j, nil)
			for name, content := range contents {
				is, _, _, err := tree.Look(t.Context(), name, 1<<20)
				require.NoError(t, err)
				require.Equal(t, content, string(is))
			}
			require.Equal(t, []string{"65537"}, d.values(t, dn, "versionNumber"))
			require.Empty(t, writes(labPlan(t, r, source, restore.Selection{})))
			undo, err := restore.UndoPlan(t.Context(), p, j, "test", time.Now())
			require.NoError(t, err)
			labApply(t, r, source, undo, &restoretest.Journal{}, j)
			require.Equal(t, before, state())
		})
	}
	round("files are gone", 4)
	require.NoError(t, tree.MakeFolder(t.Context(), folder+"/Machine"))
	require.NoError(t, tree.WriteFile(t.Context(), folder+"/GPT.INI", []byte("[General]\r\nVersion=65538\r\n")))
	require.NoError(t, tree.WriteFile(t.Context(), folder+"/Machine/Registry.pol", []byte("other")))
	require.NoError(t, tree.WriteFile(t.Context(), folder+"/later", []byte("stays")))
	d.modify(t, dn, func(m *ldap.ModifyRequest) { m.Replace("versionNumber", []string{"65538"}) })
	round("moved on", 3)
	d.remove(t, dn)
	round("deleted", 4)

	// Without a way to write files nothing of a policy is written, and that is said.
	p := labPlan(t, d.restorer(t), source, restore.Selection{})
	require.Empty(t, writes(p))
	codes := map[string]int{}
	for _, l := range p.Losses {
		require.Contains(t, l.Detail, "sysvol: true")
		codes[l.Code]++
	}
	require.Equal(t, map[string]int{lossNotYet: 6}, codes)
}

// TestPoliciesNeedTheirFiles: no policy is wanted without the file that says its version.
func TestPoliciesNeedTheirFiles(t *testing.T) {
	rec := newRecord("CN={1},CN=Policies,CN=System,"+corp, guidUser, "objectClass", "top", "objectClass", "container", "objectClass", "groupPolicyContainer", "gPCFileSysPath", `\\corp.example\SysVol\corp.example\Policies\{1}`, "isCriticalSystemObject", "TRUE")
	wants, losses := wantsOf(t, offline(), rec)
	require.Empty(t, wants)
	require.Equal(t, lossNotYet, losses[0].Code)
	r := offline()
	r.files = sysvol.New(nil)
	wants, _ = wantsOf(t, r, rec)
	want := wants[phaseObject]
	require.Contains(t, want.Needs, restore.Need{Service: backup.AD, Target: "sysvol:corp.example/policies/{1}/gpt.ini", Relation: record.RelationPolicyFiles})
	require.Equal(t, restore.StageDirectoryPolicy, want.Stage)
	b, err := decodeBody(want.Body)
	require.NoError(t, err)
	require.Empty(t, b.Guard, "the default ones have settings like others")
	m, err := mapping.For(farSite())
	require.NoError(t, err)
	for _, path := range []string{`\\evil.example\SysVol\corp.example\Policies\{1}`, `\\corp.example\SysVol\corp.example\Policies\{2}`, `\\corp.example\SysVol\corp.example\Policies\{1}\..\{2}`, `\\evil.example\x`, `C:\x`} {
		rec.Attribute("gPCFileSysPath").Values = bytesOf(path)
		wants, losses = wantsOf(t, r, rec)
		require.Empty(t, wants, path)
		require.Contains(t, losses[0].Detail, path)
	}
	rec.Attribute("gPCFileSysPath").Values = bytesOf(`//CORP.example/sysvol/corp.example/Policies/{1}/`)
	wants, _ = wantsOf(t, r, rec)
	require.NotEmpty(t, wants)
	_, losses, err = r.Wants([]restore.Item{{CatalogEntry: backup.CatalogEntry{Service: backup.AD, Item: backup.Item{Kind: "unheard-of", ID: "x"}}}}, m)
	require.NoError(t, err)
	require.Equal(t, lossNotYet, losses[0].Code)
}
