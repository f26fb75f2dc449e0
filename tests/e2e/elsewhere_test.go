package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/config"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/drill"
	"infrabackup/internal/restore/residual"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

var open = regexp.MustCompile(`(?m)^  "([^"]+)": "".*$`)

// recoverElsewhere brings what the resource managers held into a stamp of another site, whose
// domain, region, tenant and subscriptions are others, by a map that the product wrote and an
// operator completed; and has that proven by a drill.
func (o *operator) recoverElsewhere(done backup.Overview) {
	t := o.t
	const domain, region, ownID = "south.cloud.example", "south", "77777777-2222-4333-8444-555555555555"
	contents, err := inventory.Empty(inventory.Options{Seed: 8, Domain: domain, Region: region})
	require.NoError(t, err)
	s, err := stamp.Start(stamp.Options{Domain: domain, Contents: contents, Versions: stamp.UncommonTypes()})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	o.write("far.pem", string(s.CA()))
	o.write("far.secret", s.ClientSecret()+"\n")
	o.write("far.yaml", fmt.Sprintf(`name: site c
fqdn: %s
deploymentId: %s
drill: %s
azure: {managementUrl: %s, adminManagementUrl: %s, authorityUrl: %s, clientId: %s, clientSecretFile: far.secret, caFile: far.pem, resolver: %s}
emptyDisks: true
`, domain, ownID, ownID, s.TenantURL(), s.AdminURL(), s.AuthorityURL(), s.ClientID(), s.Resolver()))
	common := []string{"--identity", o.file("operator.key"), "--state", o.file("restores"), "--target", o.file("far.yaml"), "--from", o.env["LAB_SHARE_DIR"], "-o", "json"}
	run := func(verb string, args ...string) answer {
		return o.run(append(append([]string{"recover", verb}, common...), args...)...)
	}
	writes := func() (n int) {
		for _, w := range s.Writes() {
			if w.Method != http.MethodPost { // a POST asks what a GET does not tell
				n++
			}
		}
		return n
	}
	planned := func(name string, more ...string) answer {
		return run("plan", append([]string{string(done.BackupID), "--map", o.file("far.map"), "--plan", o.file(name)}, more...)...)
	}

	// The map: what is sure is filled in, and an open name is refused.
	a := run("plan", string(done.BackupID), "--write-map", o.file("far.map"))
	require.Zero(t, a.code, a.stderr)
	template := readAll(t, o.file("far.map"))
	require.Contains(t, template, `"local": "south"`)
	require.Contains(t, template, `"`+contents.ProviderSubscription+`"`)
	require.Contains(t, template, `"`+contents.TenantID+`"`)
	o.refused(planned("far.plan"), fault.MapInvalid)
	next := 0
	complete := open.ReplaceAllStringFunc(template, func(line string) string {
		name := open.FindStringSubmatch(line)[1]
		next++
		switch {
		case strings.HasPrefix(name, "S-1-"):
			return fmt.Sprintf("  %q: %q", name, fmt.Sprintf("S-1-5-21-7-8-9-%d", 5000+next))
		case strings.Contains(line, "a guest's"):
			return fmt.Sprintf("  %q: %q", name, name)
		}
		return fmt.Sprintf("  %q: %q", name, fmt.Sprintf("66666666-0000-4000-8000-%012d", next))
	})
	require.Positive(t, next)
	complete = strings.NewReplacer(`dns: ""`, `dns: "corp.cloud.example"`, `sid: ""`, `sid: "S-1-5-21-7-8-9"`, `netbios: ""`, `netbios: "FAR"`).Replace(complete)
	for changed, code := range map[string]fault.Code{
		strings.ReplaceAll(complete, domain, "north.cloud.example"):              fault.MapForeign,
		strings.Replace(complete, `"local": "south"`, `"elsewhere": "x"`, 1):     fault.MapIncomplete,
		strings.Replace(complete, `"local": "south"`, `"local": 7`, 1):           fault.MapInvalid,
		strings.Replace(complete, "subscriptions:\n", "subscriptions: {}\n#", 1): fault.MapInvalid,
	} {
		o.write("far.map", changed)
		o.refused(planned("far.plan"), code)
	}
	o.write("far.map", complete)
	site, err := config.LoadMap(o.file("far.map"))
	require.NoError(t, err)

	type plan struct {
		PlanID string
		Counts struct{ Create, Update int }
	}
	// One kind of items is applied and taken back with the map that the plan has.
	few := into[plan](t, planned("few.plan", "--service", "ARM", "--match", "/subscriptions/*/resourcegroups/*"))
	require.Positive(t, few.Counts.Create)
	require.Zero(t, writes(), "nothing of all that wrote")
	applied := into[struct{ Totals restore.Totals }](t, run("apply", o.file("few.plan"), "--yes", "--irreversible", "all"))
	require.True(t, applied.Totals.Whole(), "%+v", applied)
	undone := into[struct{ Totals restore.Totals }](t, run("undo", few.PlanID[:12], "--yes"))
	require.True(t, undone.Totals.Whole(), "%+v", undone)

	// A drill restores all, and leaves it there to be looked through.
	certificate := into[drill.Certificate](t, o.run(append([]string{"drill", "run", string(done.BackupID), "--map", o.file("far.map"), "--signing-key", o.file("drill.key"), "--certificates", o.file("far-drills"), "--keep", "--yes"}, common...)...))
	require.Equal(t, drill.Passed, certificate.Result, "%+v", certificate.Findings)
	require.NotEmpty(t, certificate.Mapping)
	scan, seen := residual.New(site), 0
	for d := range s.Documents() {
		require.Empty(t, scan.Find(d.Body), "%s", d.Body)
		seen++
	}
	require.Greater(t, seen, 150)
	again := into[plan](t, planned("far.plan"))
	require.Zero(t, again.Counts.Create+again.Counts.Update, "the target has everything")
	undone = into[struct{ Totals restore.Totals }](t, run("undo", certificate.PlanID[:12], "--yes"))
	require.True(t, undone.Totals.Whole(), "%+v", undone)
}
