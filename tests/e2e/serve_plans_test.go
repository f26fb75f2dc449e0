package e2e

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff/diffpage"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore/drill"
	"infrabackup/tests/lab"
)

// planned is the end of an operation, as /api/v1 tells it.
type planned struct {
	Kind, Status string
	Error        struct{ Code, Message string }
	Result       struct {
		Plan    struct{ PlanID string }
		Restore struct{ Confirmed int }
	}
}

// v1 is an address of /api/v1 below the location.
func (p *provider) v1(path string) string { return p.base + "/api/v1/locations/local" + path }

// followed waits for the end of an operation of /api/v1.
func (p *provider) followed(a apiAnswer) (end planned) {
	t := p.o.t
	t.Helper()
	require.Equal(t, http.StatusAccepted, a.status, "%s", a.body)
	require.Eventually(t, func() bool {
		look := p.at(http.MethodGet, a.header.Get("Location"), nil)
		require.Equal(t, http.StatusOK, look.status, "%s", look.body)
		end = planned{}
		require.NoError(t, json.Unmarshal(look.body, &end))
		return end.Status != "Running"
	}, 3*time.Minute, 200*time.Millisecond)
	return end
}

// refusedWith wants a refusal with a code.
func (p *provider) refusedWith(code string, a apiAnswer) {
	p.o.t.Helper()
	require.GreaterOrEqual(p.o.t, a.status, 400, "%s", a.body)
	require.Less(p.o.t, a.status, 500, "%s", a.body)
	require.Contains(p.o.t, string(a.body), `"`+code+`"`)
}

// TestServePlansRestores: an operator's restore is planned, read, agreed to, applied and taken back
// through /api/v1, by a worker, into a real target. The key is that of who gave it, ends with the
// process, and comes again; a plan is applied once, and not to a target that moved.
func TestServePlansRestores(t *testing.T) {
	t.Parallel()
	o := newIdleOperator(t, func(lab.Environment) string { return "  ca: {dir: ca}\n" })
	o.write("worker.yaml", "drillSigners: "+o.env["LAB_DRILL_SIGNERS"]+"\n"+readAll(t, o.file("worker.yaml")))
	out, err := exec.Command("cp", "-a", o.env["LAB_CA_DIR"], o.file("ca")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	o.write("ca/private/further.key", "canary-before-the-change")
	o.startWorker()
	p := o.serve()
	certificate, private := rsaCertificate(t)
	const password = "canary-of-the-plan"
	pfx := pfxOf(t, certificate, private, password)
	key := m{"pfx": pfx, "password": password}
	require.Equal(t, http.StatusOK, p.done(p.ask(http.MethodPut, "", store(m{
		"path": o.env["LAB_SHARE"], "userName": o.env["LAB_SHARE_USER"], "password": strings.TrimSpace(readAll(t, o.env["LAB_SHARE_PASSWORD_FILE"])),
		"encryptionCertBase64": base64.StdEncoding.EncodeToString(certificate),
	}))).status)
	require.Equal(t, http.StatusOK, p.done(p.ask(http.MethodPost, "/createBackup", nil)).status)
	o.write("ca/private/further.key", "canary-after-the-change")
	o.write("ca/newly-there.txt", "nothing that is secret")
	require.Equal(t, http.StatusOK, p.done(p.ask(http.MethodPost, "/createBackup", nil)).status)
	id := string(o.listed()[0].BackupID)
	proof := o.drillTheCA(id, private)

	plan := func(further m) string {
		t.Helper()
		body := m{"backup": id, "target": "site-c", "services": []string{"CA"}, "key": key}
		for name, value := range further {
			body[name] = value
		}
		end := p.followed(p.at(http.MethodPost, p.v1("/restores/plans"), body))
		require.Equal(t, []string{"restorePlan", "Succeeded"}, []string{end.Kind, end.Status}, "%+v", end.Error)
		return end.Result.Plan.PlanID
	}
	p.refusedWith("KeyPassword", p.at(http.MethodPost, p.v1("/restores/plans"), m{"backup": "latest", "target": "site-c", "key": m{"pfx": pfx, "password": "canary-wrong-password"}}))
	p.refusedWith("TargetNotConfigured", p.at(http.MethodPost, p.v1("/restores/plans"), m{"backup": id, "target": "site-d", "key": key}))
	first := plan(nil)
	later := plan(m{"backup": id, "policy": "skip"})
	require.NotEqual(t, first, later)
	require.Empty(t, held(t, o.file("restored")), "a plan writes nothing")

	type page struct {
		BackupID      backup.ID
		State         string
		Total, Next   int
		Target        struct{ Name, ID string }
		Steps         []struct{ Action, Title string }
		Counts        struct{ Create, Irreversible int }
		Expires, Kind string
	}
	at := p.v1("/restores/plans/" + first)
	read := func(at string) page {
		t.Helper()
		a := p.at(http.MethodGet, at, nil)
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		var got page
		require.NoError(t, json.Unmarshal(a.body, &got))
		return got
	}
	got := read(at + "?count=1")
	require.Equal(t, []any{id, "planned", "site-c", 1}, []any{string(got.BackupID), got.State, got.Target.Name, len(got.Steps)})
	require.Positive(t, got.Counts.Create)
	seen := 0
	for from := 0; ; {
		next := read(at + "?count=1&from=" + strconv.Itoa(from))
		seen += len(next.Steps)
		if from = next.Next; from == 0 {
			require.Equal(t, next.Total, seen, "page by page, each step once")
			break
		}
	}

	found := p.differ(key)
	p.showsDrill(proof)

	// Another person has no use of the key, and of nothing but the list.
	mine := p.token
	p.token = p.newToken("another").Token
	p.refusedWith("KeyNotHeld", p.at(http.MethodGet, at, nil))
	p.refusedWith("KeyNotHeld", p.at(http.MethodGet, found, nil))
	consent := m{"target": "site-c", "irreversible": []string{"all"}}
	p.refusedWith("KeyNotHeld", p.at(http.MethodPost, at+"/apply", m{"consent": consent}))
	listed := p.at(http.MethodGet, p.v1("/restores"), nil)
	require.Equal(t, http.StatusOK, listed.status, "%s", listed.body)
	require.Contains(t, string(listed.body), first)
	require.Contains(t, string(listed.body), "for another key")
	p.token = mine
	listed = p.at(http.MethodGet, p.v1("/restores"), nil)
	require.Contains(t, string(listed.body), `"state":"planned"`)

	// The process ends, and the key with it.
	p.kill()
	p.start()
	require.Eventually(t, func() bool { return p.ask(http.MethodGet, "/backups/"+id, nil).status == http.StatusOK }, time.Minute, 200*time.Millisecond)
	require.Equal(t, http.StatusOK, p.at(http.MethodGet, found, nil).status, "what differs needs no key any more")
	look := p.loggedIn()
	require.Eventually(t, func() bool { return strings.Contains(look("backups/"+id), "by a drill into drill-c") }, time.Minute, 200*time.Millisecond)
	p.refusedWith("KeyNotHeld", p.at(http.MethodGet, at, nil))
	p.refusedWith("KeyNotHeld", p.at(http.MethodPost, at+"/apply", m{"consent": consent}))
	p.refusedWith("PlanConsent", p.at(http.MethodPost, at+"/apply", m{"consent": m{"target": "site-b"}, "backup": id, "key": key}))
	require.Empty(t, held(t, o.file("restored")))
	end := p.followed(p.at(http.MethodPost, at+"/apply", m{"consent": consent}))
	require.Equal(t, []string{"restore", "Succeeded"}, []string{end.Kind, end.Status}, "%+v", end.Error)
	require.Positive(t, end.Result.Restore.Confirmed)
	require.NotEmpty(t, held(t, o.file("restored")), "the CA is there")
	require.Equal(t, "ended", read(at).State)

	end = p.followed(p.at(http.MethodPost, at+"/apply", m{"consent": consent}))
	require.Equal(t, []string{"Failed", "PlanApplied"}, []string{end.Status, end.Error.Code}, "a plan is applied once")
	before := held(t, o.file("restored"))
	end = p.followed(p.at(http.MethodPost, p.v1("/restores/plans/"+later+"/apply"), m{"consent": consent, "backup": id, "key": key}))
	require.Equal(t, []string{"Failed", "PlanStale"}, []string{end.Status, end.Error.Code}, "the target moved since: %s", end.Error.Message)
	require.Equal(t, before, held(t, o.file("restored")))

	end = p.followed(p.at(http.MethodPost, p.v1("/restores/"+first+"/undo"), nil))
	require.Equal(t, []string{"restorePlan", "Succeeded"}, []string{end.Kind, end.Status}, "%+v", end.Error)
	undo := p.v1("/restores/plans/" + end.Result.Plan.PlanID)
	require.Equal(t, "undo", read(undo).Kind)
	require.Equal(t, before, held(t, o.file("restored")), "nothing was taken back yet")
	end = p.followed(p.at(http.MethodPost, undo+"/apply", m{"consent": consent}))
	require.Equal(t, []string{"restore", "Succeeded"}, []string{end.Kind, end.Status}, "%+v", end.Error)
	require.Less(t, len(held(t, o.file("restored"))), len(before))

	state, err := filepath.Glob(o.file("state/*"))
	require.NoError(t, err)
	places := map[string][]byte{"log of the service": []byte(readAll(t, p.log)), "log of the worker": []byte(readAll(t, o.log)), "Temporal": o.stored()}
	for _, name := range state {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		places[name] = data
	}
	requireNoneOf(t, map[string]string{"password": password, "wrong password": "canary-wrong-password", "certificate": pfx[200:260],
		"secret before": "canary-before-the-change", "secret after": "canary-after-the-change"}, places)
}

// drillTheCA proves a backup by a drill on the command line, whose certificate lies beside the backups.
func (o *operator) drillTheCA(id string, key []byte) drill.Certificate {
	t := o.t
	t.Helper()
	const deployment = "88888888-2222-4333-8444-555555555555"
	o.write("key.pem", string(key))
	require.NoError(t, os.Mkdir(o.file("drilled"), 0o700))
	o.write("drill.yaml", "name: drill-c\nfqdn: d.example.com\ndeploymentId: "+deployment+"\ndrill: "+deployment+"\nca:\n  dir: drilled\n")
	folder := filepath.Join(o.env["LAB_SHARE_DIR"], o.instance, backup.DrillsDir)
	o.refused(o.run("drill", "run", id, "--identity", o.file("key.pem"), "--state", o.file("drill-state"), "--target", o.file("drill.yaml"), "--from", o.env["LAB_SHARE_DIR"],
		"--signing-key", o.env["LAB_DRILL_KEY"], "--certificates", folder, "--yes", "-o", "json"), fault.Usage)
	require.Empty(t, held(t, o.file("drilled")), "nothing was restored whose certificate could not be written")
	certificate := into[drill.Certificate](t, o.run("drill", "run", id, "--identity", o.file("key.pem"), "--state", o.file("drill-state"), "--target", o.file("drill.yaml"), "--from", o.env["LAB_SHARE_DIR"], "--allowed-signers", filepath.Join(o.env["LAB_SHARE_DIR"], o.instance, backup.AllowedSignersFile),
		"--signing-key", o.env["LAB_DRILL_KEY"], "--certificates", o.file("drills"), "--yes", "-o", "json"))
	require.Equal(t, drill.Passed, certificate.Result, "%+v", certificate.Findings)
	files, err := filepath.Glob(o.file("drills/*"))
	require.NoError(t, err)
	require.Len(t, files, 2)
	require.NoError(t, os.Mkdir(folder, 0o755))
	for _, file := range files { // as an operator copies them, and with the rights that a server gives
		require.NoError(t, os.WriteFile(filepath.Join(folder, filepath.Base(file)), []byte(readAll(t, file)), 0o644))
	}
	return certificate
}

// differ compares the two newest backups, and returns the address of what differs.
func (p *provider) differ(key m) string {
	t := p.o.t
	t.Helper()
	p.refusedWith("KeyPassword", p.at(http.MethodPost, p.v1("/diffs"), m{"key": m{"pfx": key["pfx"], "password": "canary-wrong-password"}}))
	begun := p.at(http.MethodPost, p.v1("/diffs"), m{"key": key})
	end := p.followed(begun)
	require.Equal(t, []string{"diff", "Succeeded"}, []string{end.Kind, end.Status}, "%+v", end.Error)
	at := p.v1("/diffs/" + path.Base(begun.header.Get("Location")))
	a := p.at(http.MethodGet, at, nil)
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	var found diffpage.Page
	require.NoError(t, json.Unmarshal(a.body, &found))
	how := map[string]result.How{}
	for _, one := range found.Changes {
		how[path.Base(one.ID)] = one.How
	}
	require.Equal(t, []any{result.Changed, result.Added}, []any{how["further.key"], how["newly-there.txt"]}, "%s", a.body)
	require.NotContains(t, string(a.body), "canary")
	require.Zero(t, found.LeftOut)
	require.Len(t, found.Report.Services, 1)
	return at
}

// showsDrill: the API says of a drill what its certificate says, and that a trusted key has signed it.
func (p *provider) showsDrill(c drill.Certificate) {
	t := p.o.t
	t.Helper()
	var list struct {
		Value []drill.Listed
		Total int
	}
	a := p.at(http.MethodGet, p.v1("/drills"), nil)
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	require.NoError(t, json.Unmarshal(a.body, &list))
	require.Equal(t, []any{1, c.DrillID, drill.Believed, c.Backup.ID}, []any{list.Total, list.Value[0].DrillID, list.Value[0].Trust, list.Value[0].Brief.BackupID}, "%s", a.body)
	var one struct{ Certificate drill.Certificate }
	a = p.at(http.MethodGet, p.v1("/drills/"+string(c.DrillID)), nil)
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	require.NoError(t, json.Unmarshal(a.body, &one))
	require.Equal(t, c, one.Certificate)
	page := p.loggedIn()
	require.Contains(t, page("drills"), "Signed by a trusted key")
	require.Contains(t, html.UnescapeString(page("drills/"+string(c.DrillID))), list.Value[0].Signer)
}

// loggedIn logs in to the page, and returns what reads one.
func (p *provider) loggedIn() func(path string) string {
	t := p.o.t
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client := &http.Client{Transport: p.transport(), Jar: jar, Timeout: time.Minute}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.base+"/login", strings.NewReader(url.Values{"token": {p.token}, "return": {"/"}}.Encode()))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", p.base)
	answer, err := client.Do(request)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return func(path string) string {
		answer, err := client.Get(p.base + "/i/" + p.o.instance + "/" + path)
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, errors.Join(err, answer.Body.Close()))
		require.Equal(t, http.StatusOK, answer.StatusCode, "%s", body)
		return string(body)
	}
}
