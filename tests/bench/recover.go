package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/operator/restoring"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/directory"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/statedir"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
)

const (
	recoveredObjects = 500
	// maxSlowerThanAdding is how much longer a restore may take than ldapadd: 90 % of its rate.
	maxSlowerThanAdding = 1 / 0.9
)

// measureRecover compares applying a plan for objects that are not there with OpenLDAP's tool
// adding the same objects to the same controller. The tool reads nothing, asks for nothing twice and
// keeps no journal.
func (b *bench) measureRecover(ctx context.Context) error {
	env := b.lab.Env()
	ca, caErr := os.ReadFile(env["LAB_LDAP_CA"])
	password, passwordErr := os.ReadFile(env["LAB_LDAP_PASSWORD_FILE"])
	if err := errors.Join(caErr, passwordErr); err != nil {
		return err
	}
	r, err := directory.New(directory.Options{URL: env["LAB_LDAP_URL"], CACertificates: ca, Username: env["LAB_LDAP_USER"], Password: secret.New(strings.TrimSpace(string(password)))})
	if err != nil {
		return err
	}
	defer r.Close()
	domain, _, err := r.Domain(ctx)
	if err != nil {
		return err
	}
	dir := filepath.Join(b.dir, "recover")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	extra := []string{"LDAPTLS_CACERT=" + env["LAB_LDAP_CA"], "LDAPTLS_REQCERT=demand", "LDAPRC=/dev/null", "LDAP_URL=" + env["LAB_LDAP_URL"], "LDAP_USER=" + env["LAB_LDAP_USER"], "LDAP_PASSWORD_FILE=" + env["LAB_LDAP_PASSWORD_FILE"]}
	add := func(ctx context.Context, n int) (figure, error) {
		file := filepath.Join(dir, fmt.Sprintf("add-%d.ldif", n))
		if err := os.WriteFile(file, addLDIF(newObjects(domain, "add", n)), 0o600); err != nil {
			return figure{}, err
		}
		f, _, err := b.script(ctx, `ldapadd -x -H "$LDAP_URL" -D "$LDAP_USER" -y "$LDAP_PASSWORD_FILE" -f "$FILE" > /dev/null`, append([]string{"FILE=" + file}, extra...)...)
		return f, err
	}
	all, err := b.compare(ctx, fmt.Sprintf("Bringing %d objects of Active Directory back", recoveredObjects), 0, []contender{
		{name: "recover apply", run: func(ctx context.Context, n int) (figure, error) {
			return applyObjects(ctx, r, filepath.Join(dir, fmt.Sprint("state-", n)), newObjects(domain, "apply", n))
		}},
		contender{name: "ldapadd", program: "ldapadd", run: add}.atMost(maxSlowerThanAdding),
	})
	for _, o := range all {
		fmt.Printf("\n%s: %.0f objects/s", o.name, recoveredObjects/median(o.figures).Seconds())
	}
	fmt.Println()
	return err
}

// newObjects are records of an OU and of accounts in it that no domain has.
func newObjects(domain, who string, n int) (all []*record.Record) {
	ou := fmt.Sprintf("OU=bench %s %d,%s", who, n, domain)
	made := func(i int, dn string, pairs ...string) {
		r := &record.Record{DN: dn, GUID: fmt.Sprintf("%08x-%04x-4000-8000-%012d", len(who), n, i), NamingContext: domain}
		for j := 0; j < len(pairs); j += 2 {
			var values [][]byte
			for value := range strings.SplitSeq(pairs[j+1], "|") {
				values = append(values, []byte(value))
			}
			r.Attributes = append(r.Attributes, record.Attribute{Name: pairs[j], Values: values})
		}
		slices.SortFunc(r.Attributes, func(a, b record.Attribute) int { return strings.Compare(a.Name, b.Name) })
		all = append(all, r)
	}
	made(0, ou, "objectClass", "top|organizationalUnit")
	for i := 1; i < recoveredObjects; i++ {
		name := fmt.Sprintf("%s%dn%d", who, n, i)
		made(i, "CN="+name+","+ou, "objectClass", "top|person|organizationalPerson|user", "sAMAccountName", name, "userPrincipalName", name+"@bench", "displayName", "Person "+name, "userAccountControl", "514")
	}
	return all
}

// addLDIF has the same objects for ldapadd.
func addLDIF(records []*record.Record) []byte {
	var out strings.Builder
	for _, r := range records {
		fmt.Fprintf(&out, "dn: %s\n", r.DN)
		for _, a := range r.Attributes {
			for _, value := range a.Values {
				fmt.Fprintf(&out, "%s: %s\n", a.Name, value)
			}
		}
		out.WriteByte('\n')
	}
	return []byte(out.String())
}

// applyObjects plans, and measures what applying the plan takes, with its journal on the RAM disk.
func applyObjects(ctx context.Context, r *directory.Restorer, state string, records []*record.Record) (f figure, err error) {
	documents := map[string][]byte{}
	var entries []backup.CatalogEntry
	for _, one := range records {
		data := one.AppendJSON(nil)
		documents[one.GUID] = data
		entries = append(entries, backup.CatalogEntry{Service: backup.AD, Item: backup.Item{Kind: record.Kind, ID: one.GUID, Name: one.DN}, SHA256: restore.Digest(data), Length: int64(len(data))})
	}
	source := &restore.Source{
		Catalog: func(_ context.Context, fn func(backup.CatalogEntry) error) error {
			for _, e := range entries {
				if err := fn(e); err != nil {
					return err
				}
			}
			return nil
		},
		Item: func(_ context.Context, e backup.CatalogEntry) ([]byte, error) { return documents[e.ID], nil },
	}
	id, err := backup.ParseID("1945dfe4-d16c-4b36-9096-1deceb046647")
	if err != nil {
		return f, err
	}
	target := restore.Fingerprint{FQDN: "b.example.com", DeploymentID: "99999999-2222-4333-8444-555555555555"}
	planner := &restore.Planner{Source: source, Restorers: []restore.Restorer{r}, Map: mapping.Empty(), Target: target, Product: "bench", Now: time.Now,
		Origin: restore.Origin{BackupID: id, Cloud: restore.Fingerprint{FQDN: "a.example.com", DeploymentID: "11111111-2222-4333-8444-555555555555"}}}
	plan, err := planner.Plan(ctx)
	if err != nil {
		return f, err
	}
	if len(plan.Refusals) > 0 {
		return f, fmt.Errorf("the plan refuses %v", plan.Refusals[0])
	}
	text, _, err := seal.GenerateIdentity(false, time.Now())
	if err != nil {
		return f, err
	}
	identities, err := seal.ParseIdentities([]byte(text.Reveal()))
	if err != nil {
		return f, err
	}
	store := statedir.Local(state)
	if err := restoring.Keep(ctx, plan, identities, store); err != nil {
		return f, err
	}
	journal, plan, err := statedir.Open(ctx, store, plan.Header.PlanID, identities)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, journal.Close(), os.RemoveAll(state)) }()
	began := time.Now()
	totals, err := restore.Apply(ctx, &restore.Run{Plan: plan, Restorers: []restore.Restorer{r}, Source: source, Journal: journal, Map: mapping.Empty(), Target: target, Now: time.Now,
		Consent: restore.Consent{Irreversible: []string{restore.AllIrreversible}}})
	if err == nil && !totals.Whole() {
		err = fmt.Errorf("not all came about: %+v", totals)
	}
	return figure{wall: time.Since(began)}, err
}
