package directory

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/residual"
)

// farSite is from a domain to that of the fake controller.
func farSite() *mapping.Site {
	return &mapping.Site{Format: mapping.Format, Source: mapping.Cloud{FQDN: "local.azs.test"}, Target: mapping.Cloud{FQDN: "south.cloud.example"},
		Domains: []mapping.Domain{{Source: mapping.DomainNames{SID: "S-1-5-21-1-2-3", DNS: "azs.test", NetBIOS: "AZS"}, Target: mapping.DomainNames{SID: "S-1-5-21-7-8-9", DNS: "corp.example", NetBIOS: "CORP"}}}}
}

// TestIntoAnotherDomain brings a user of one domain into another one: with its OU, below which
// it is found again, its group and its manager, in the names of that one.
func TestIntoAnotherDomain(t *testing.T) {
	const azs = "DC=azs,DC=test"
	f := newFakeDC()
	f.put("CN=Boss,"+corp, "objectClass", "user")
	groupGUID := f.put("CN=G,"+corp, "objectClass", "group")
	r := f.restorer(t)
	m, err := mapping.For(farSite())
	require.NoError(t, err)

	ou := newRecord("OU=People,"+azs, guidGroup, "objectClass", "top", "objectClass", "organizationalUnit", "description", `made by AZS\admin of azs.test`)
	boss := newRecord("CN=Boss,"+azs, guidBoss, "objectClass", "user")
	user := newRecord("CN=doe,OU=People,"+azs, guidUser, "objectClass", "top", "objectClass", "user", "sAMAccountName", "doe", "userPrincipalName", "doe@azs.test", "userAccountControl", "512",
		"objectSid", sidOf(4), "memberOf", "44444444-4444-4444-8444-444444444444|CN=G,"+azs, "manager", guidBoss+"|CN=Boss,"+azs)
	ou.NamingContext, boss.NamingContext, user.NamingContext = azs, azs, azs
	items := []restore.Item{item(ou), item(boss), item(user)}
	for _, one := range items {
		r.Names(one.CatalogEntry)
	}
	scan := residual.New(farSite())
	wants := map[string]restore.Want{}
	for _, one := range items {
		all, _, err := r.Wants([]restore.Item{one}, m)
		require.NoError(t, err)
		for _, w := range all {
			wants[one.Name+w.Phase] = w
			sent, err := r.Sent(w, m)
			require.NoError(t, err)
			require.Empty(t, scan.Find(sent), "%s", sent)
			for _, n := range w.Needs {
				require.NotContains(t, n.Target, "corp", "needs are in the names of the backup")
			}
		}
	}
	require.Len(t, wants["CN=doe,OU=People,"+azs].Needs, 1)

	bring(t, r, wants["OU=People,"+azs], m)
	_, o := f.find("OU=People," + corp)
	require.Equal(t, []string{`made by CORP\admin of corp.example`}, o.values["description"])
	live, err := r.Live(t.Context(), wants["CN=Boss,"+azs], m)
	require.NoError(t, err)
	require.True(t, r.Verdict(wants["CN=Boss,"+azs], live, m).Same, "it is found by its name")
	for _, pair := range live.Learned {
		require.NoError(t, m.Learn(pair))
	}
	name := "CN=doe,OU=People," + azs
	_, after := bring(t, r, wants[name], m)
	require.Empty(t, scan.Find(after.Document), "%s", after.Document)
	_, o = f.find("CN=doe,OU=People," + corp)
	require.Equal(t, []string{"doe@corp.example"}, o.values["userprincipalname"])
	bring(t, r, wants[name+phaseLinks], m)
	bring(t, r, wants[name+phaseMember+"44444444-4444-4444-8444-444444444444"], m)
	guid, _ := f.find("CN=doe,OU=People," + corp)
	require.Equal(t, []string{guid}, f.objects[groupGUID].values["member"])
	boss2, _ := f.find("CN=Boss," + corp)
	require.Equal(t, []string{boss2}, o.values["manager"])

	// What the OU is called later does not matter: its GUID was learned.
	_, place := f.find("OU=People," + corp)
	place.dn, o.dn = "OU=Staff,"+corp, "CN=doe,OU=Staff,"+corp
	live, err = r.Live(t.Context(), wants[name], m)
	require.NoError(t, err)
	require.True(t, r.Verdict(wants[name], live, m).Same, "%v", r.Verdict(wants[name], live, m).Fields)

	// Without the map it is the object of another domain.
	w, _, err := r.Wants(items[2:], mapping.Empty())
	require.NoError(t, err)
	live, err = r.Live(t.Context(), w[0], mapping.Empty())
	require.NoError(t, err)
	require.Equal(t, refusedContext, r.Verdict(w[0], live, mapping.Empty()).Refused.Code)
}

// TestHiddenInBytes: a SID of the source inside of a binary value cannot be replaced, and is found.
func TestHiddenInBytes(t *testing.T) {
	m, err := mapping.For(farSite())
	require.NoError(t, err)
	rec := newRecord("CN=x,DC=azs,DC=test", guidUser, "objectClass", "user", "userParameters", "\xff"+sidOf(4))
	rec.NamingContext = "DC=azs,DC=test"
	wants, _, err := offline().Wants([]restore.Item{item(rec)}, m)
	require.NoError(t, err)
	sent, err := offline().Sent(wants[0], m)
	require.NoError(t, err)
	found := residual.New(farSite()).Find(sent)
	require.Len(t, found, 1)
	require.True(t, strings.HasPrefix(found[0].Member, "attributes.userParameters"), "%v", found)
	require.Equal(t, "base64 sid", found[0].Form)
}
