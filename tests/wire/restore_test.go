package wire_test

import (
	"context"
	"encoding/base64"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/privsep"
	"infrabackup/internal/recovery"
	"infrabackup/internal/restore"
	"infrabackup/internal/rp"
	"infrabackup/internal/seal"
	"infrabackup/internal/seal/sealtest"
	"infrabackup/internal/secret"
)

// TestMain lets this test binary be the process that opens keys.
func TestMain(m *testing.M) {
	privsep.RunKeyOpener()
	os.Exit(m.Run())
}

// pfx is the certificate that backups are encrypted to, with its private key, which
// [sealtest.PFXPassword] opens; public is its public half.
var pfx, public = func() (string, string) {
	data, err := os.ReadFile("../../internal/seal/sealtest/testdata/locked.pfx")
	if err != nil {
		panic(err)
	}
	ids, err := seal.ParseKeyFile(data, secret.New(sealtest.PFXPassword))
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(data), ids[0].Public()
}()

// restorer opens keys as the product does, and lets the control of the test begin.
func restorer(t *testing.T, c *fakeControl) rp.Restorer {
	t.Helper()
	program, err := privsep.OwnProgram()
	require.NoError(t, err)
	c.backupKey, c.keyAge, err = seal.MakeWrappedKey([]string{public})
	require.NoError(t, err)
	return recovery.Restorer{Control: c, Keys: privsep.NewKeyOpener(program), Target: "site-b"}
}

// ownProcess opens keys in the process of the test, for those that restore a hundred times.
type ownProcess struct{}

func (ownProcess) OpenKey(_ context.Context, operator privsep.OperatorKey, keyAge []byte, _ string) (privsep.OpenedKey, error) {
	ids, err := seal.ParseKeyFile(operator.File, secret.New(string(operator.Password)))
	if err != nil {
		return privsep.OpenedKey{}, err
	}
	key, err := seal.OpenBackupKey(keyAge, ids)
	return privsep.OpenedKey{Key: key, Recipients: []string{ids[0].Public()}}, err
}

// inOwnProcess changes an instance so.
func inOwnProcess(i *rp.Instance) {
	r := i.Restore.(recovery.Restorer)
	r.Keys = ownProcess{}
	i.Restore = r
}

func (c *fakeControl) KeyFile(_ context.Context, id backup.ID) (flow.KeyFileOutput, error) {
	return flow.KeyFileOutput{BackupID: id, Public: c.backupKey, KeyAge: c.keyAge}, nil
}

func (c *fakeControl) BeginRestore(_ context.Context, in flow.RestoreInput) (control.Begun, error) {
	c.restored = append(c.restored, in)
	return c.begin(operation.Restore, func(string) fakeOperation {
		return fakeOperation{done: operation.Operation{Restore: &restore.Totals{Confirmed: 7}}}
	})
}

// current is the restore that runs, ITEM_NOT_FOUND when there is none.
func (c *fakeControl) current() (flow.RestoreAt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away != nil {
		return flow.RestoreAt{}, c.away
	}
	if c.restoring == nil {
		return flow.RestoreAt{}, fault.Newf(fault.ItemNotFound, "no restore of instance local runs")
	}
	return *c.restoring, nil
}

func (c *fakeControl) Restoring(context.Context) (flow.RestoreAt, error) { return c.current() }

func (c *fakeControl) StopRestore(context.Context) (flow.RestoreAt, error) {
	at, err := c.current()
	c.restoring = nil
	return at, err
}

// options are the body of a restore with the right key.
func options(role string) map[string]any {
	return map[string]any{"roleName": role, "decryptionCertBase64": pfx, "decryptionCertPassword": sealtest.PFXPassword}
}

// TestRestore: one call with the certificate restores, and its end is an empty answer.
func TestRestore(t *testing.T) {
	for _, version := range versions[1:] {
		t.Run(version, func(t *testing.T) {
			h := start(t).enable()
			at := place + "/backups/" + string(h.full()) + "/restore"
			a := h.do("POST", at, version, options("domain"))
			require.Equal(t, 202, a.status, a.text)
			require.Equal(t, "60", a.header.Get("Retry-After"))
			async := a.header.Get("Azure-AsyncOperation")
			require.Equal(t, version == "2021-09-01", async != "")
			end := h.follow(a)
			require.Equal(t, 200, end.status)
			require.Empty(t, end.text)
			require.Empty(t, end.header.Get("Content-Type"))
			begun := path.Base(strings.Split(a.header.Get("Location"), "?")[0])
			own := h.do("GET", "/api/v1/locations/local/operations/"+begun, "", nil)
			require.Equal(t, []any{"restore", "Succeeded", float64(7)}, []any{own.property("kind"), own.property("status"), own.property("result", "restore", "confirmed")}, own.text)
			if async != "" {
				status := h.do("GET", async, "", nil)
				require.Equal(t, "Succeeded", status.property("status"), status.text)
			}
			in := h.control.restored[0]
			require.Equal(t, []backup.Service{backup.AD}, in.First.Selection.Services)
			require.Equal(t, []string{public}, in.First.Recipients)
			require.Equal(t, []any{"site-b", "test|operator", false}, []any{in.Target, in.RequestedBy, in.First.Production})
			handed, err := seal.ParseIdentities([]byte(in.Key.Reveal()))
			require.NoError(t, err)
			require.Equal(t, h.control.backupKey, handed[0].Public(), "the key of the one backup")

			require.Equal(t, 200, h.follow(h.do("POST", at, version, options(""))).status)
			require.Equal(t, []backup.Service{backup.AD}, h.control.restored[1].First.Selection.Services, "all that the backup holds are named, so that none is left out in silence")

			h.control.refuse = fault.Newf(fault.RestoreRunning, "a restore runs")
			a = h.do("POST", at, version, options(""))
			require.Equal(t, []any{409, "RestoreRunning"}, []any{a.status, a.code()})
			h.control.fails = fault.Newf(fault.RestoreIncomplete, "2 steps were not done")
			end = h.follow(h.do("POST", at, version, options("")))
			require.Equal(t, []any{409, "RestoreIncomplete"}, []any{end.status, end.code()})
		})
	}
}

// TestRestoreRefusesKeys: each way in which a key is wrong has its own refusal, which names the
// member and repeats nothing.
func TestRestoreRefusesKeys(t *testing.T) {
	h := start(t).enable()
	at := place + "/backups/" + string(h.full()) + "/restore"
	open, err := os.ReadFile("../../internal/seal/sealtest/testdata/open.pfx")
	require.NoError(t, err)
	refused := func(name string, body map[string]any, code, target string) {
		t.Helper()
		a := h.do("POST", at, "2018-09-01", body)
		require.Equal(t, []any{400, code, target}, []any{a.status, a.code(), a.property("error", "target")}, "%s: %s", name, a.text)
		require.NotContains(t, a.text, password)
		require.Contains(t, a.text, `"type":"Remedy"`)
	}
	wrong := options("")
	wrong["decryptionCertPassword"] = password
	refused("a wrong password", wrong, "KeyPassword", "decryptionCertPassword")
	delete(wrong, "decryptionCertPassword")
	refused("no password", wrong, "KeyPassword", "decryptionCertPassword")
	refused("the outer form alone", map[string]any{"decryptionCertBase64": "MAMCAQM="}, "KeyInvalid", "decryptionCertBase64")

	_, r, err := seal.GenerateIdentity(false, h.now)
	require.NoError(t, err)
	h.control.backupKey, h.control.keyAge, err = seal.MakeWrappedKey([]string{r.Text})
	require.NoError(t, err)
	refused("a certificate of another backup", map[string]any{"decryptionCertBase64": base64.StdEncoding.EncodeToString(open)}, "KeyDoesNotFit", "decryptionCertBase64")
	require.Empty(t, h.control.restored)
	require.NotContains(t, h.log.String(), password)
	require.NotContains(t, h.log.String(), pfx[:60])
}

// TestRestoreIntoNothing: without a target there is a refusal that says how to name one.
func TestRestoreIntoNothing(t *testing.T) {
	h := startWith(t, func(i *rp.Instance) { i.Restore = nil }).enable()
	at := place + "/backups/" + string(h.full()) + "/restore"
	for _, version := range versions {
		var body any
		if version != "2016-05-01" {
			body = options("")
		}
		a := h.do("POST", at, version, body)
		require.Equal(t, []any{409, "RestoreNotAvailable"}, []any{a.status, a.code()}, version)
		require.Contains(t, a.text, "configuration")
	}
}

// TestTheRestoreThatRuns is watched and stopped below /api/v1.
func TestTheRestoreThatRuns(t *testing.T) {
	h := start(t).enable()
	d := served(t, h)
	const current = "/api/v1/locations/local/restores/current"
	pattern := "/api/v1/locations/{location}/restores/current"
	for _, request := range [][2]string{{"GET", current}, {"POST", current + "/cancel"}} {
		a := h.do(request[0], request[1], "", nil)
		require.Equal(t, []any{404, "ResourceNotFound"}, []any{a.status, a.code()})
	}
	h.control.restoring = &flow.RestoreAt{BackupID: h.full(), Target: "site-b", Step: "making the plan"}
	a := h.do("GET", current, "", nil)
	require.Equal(t, 200, a.status, a.text)
	holds(t, d.schema(t, pattern, "get", "200"), a.text)
	require.Equal(t, []any{"making the plan", ""}, []any{a.property("step"), a.property("planId")})
	h.control.restoring.PlanID, h.control.restoring.Step = strings.Repeat("ab", 32), "writing"
	h.control.restoring.RestoreState = flow.RestoreState{Batches: 9, Ended: 4, Totals: restore.Totals{Confirmed: 70}}
	a = h.do("GET", current, "", nil)
	holds(t, d.schema(t, pattern, "get", "200"), a.text)
	require.Equal(t, []any{float64(4), float64(70)}, []any{a.property("ended"), a.property("totals", "confirmed")})

	h.caller.refuse = map[string]bool{"Microsoft.Backup.Admin/backupLocations/restores/cancel/action": true}
	require.Equal(t, 403, h.do("POST", current+"/cancel", "", nil).status)
	h.caller.refuse = nil
	require.Equal(t, 400, h.do("POST", current+"/cancel", "", map[string]any{"force": true}).status)
	require.NotNil(t, h.control.restoring)
	a = h.do("POST", current+"/cancel", "", nil)
	require.Equal(t, 200, a.status, a.text)
	holds(t, d.schema(t, pattern+"/cancel", "post", "200"), a.text)
	require.Equal(t, 404, h.do("GET", current, "", nil).status)

	h.control.away = fault.Newf(fault.NoWorker, "no worker answers")
	a = h.do("GET", current, "", nil)
	require.Equal(t, 503, a.status, a.text)
	require.NotEmpty(t, a.header.Get("Retry-After"))
}
