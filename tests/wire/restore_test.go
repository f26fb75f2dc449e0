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
	privsep.RunChild()
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
			require.Empty(t, h.control.restored[1].First.Selection.Services, "all of them")

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
