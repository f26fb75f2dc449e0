package wire_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal/sealtest"
	"infrabackup/tests/arm16"
	"infrabackup/tests/arm18"
)

type credential struct{}

func (credential) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func (h *harness) arm() *arm.ClientOptions {
	return &arm.ClientOptions{
		ClientOptions: policy.ClientOptions{
			Cloud:     cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Endpoint: h.server.URL, Audience: "https://management.example/"}}},
			Transport: h.server.Client(), Retry: policy.RetryOptions{MaxRetries: -1},
		},
		DisableRPRegistration: true,
	}
}

// poll drives a poller to its end without its waits.
func poll[T any](t *testing.T, h *harness, p *runtime.Poller[T], err error) (T, error) {
	t.Helper()
	require.NoError(t, err)
	for range 20 {
		if p.Done() {
			return p.Result(t.Context())
		}
		if _, err := p.Poll(t.Context()); err != nil {
			var none T
			return none, err
		}
		h.control.settle()
	}
	t.Fatal("the poller does not end")
	panic("unreachable")
}

func codeOf(t *testing.T, err error) string {
	t.Helper()
	var r *azcore.ResponseError
	require.ErrorAs(t, err, &r)
	return r.ErrorCode
}

func TestGeneratedClientOf2016(t *testing.T) {
	h := start(t)
	ctx, group := t.Context(), "System.local"
	f, err := arm16.NewClientFactory(subscription, credential{}, h.arm())
	require.NoError(t, err)
	locations, backups := f.NewBackupLocationsClient(), f.NewBackupsClient()
	change := func(s arm16.ExternalStore) arm16.BackupLocation {
		t.Helper()
		p, err := locations.BeginUpdate(ctx, group, "local", arm16.BackupLocation{Properties: &arm16.BackupLocationModel{ExternalStoreDefault: &s}}, nil)
		out, err := poll(t, h, p, err)
		require.NoError(t, err)
		return out.BackupLocation
	}
	change(arm16.ExternalStore{Path: to.Ptr(`\\fs\Backups`), UserName: to.Ptr(`CORP\b`), Password: to.Ptr(password), EncryptionKeyBase64: to.Ptr(canaryKey)})
	got, err := locations.Get(ctx, group, "local", nil)
	require.NoError(t, err)
	require.Equal(t, `\\fs\Backups`, *got.Properties.ExternalStoreDefault.Path)
	// What was read is sent back with one member changed, as older cmdlets do.
	back := *got.Properties.ExternalStoreDefault
	back.BackupFrequencyInHours = to.Ptr[int32](10)
	out := change(back)
	require.EqualValues(t, 10, *out.Properties.ExternalStoreDefault.BackupFrequencyInHours)
	require.Equal(t, `\\fs\Backups`, *out.Properties.ExternalStoreDefault.Path)

	p, err := locations.BeginCreateBackup(ctx, group, "local", nil)
	made, err := poll(t, h, p, err)
	require.NoError(t, err)
	require.Equal(t, arm16.OperationStatusSucceeded, *made.Properties.BackupInfo.Status)
	page, err := backups.NewListPager(group, "local", nil).NextPage(ctx)
	require.NoError(t, err)
	require.Len(t, page.Value, 1)
	one, err := backups.Get(ctx, group, "local", *made.Name, nil) // with the slash escaped
	require.NoError(t, err)
	require.Equal(t, *made.ID, strings.Replace(*one.ID, "System.local", "system.local", 1))
	_, err = backups.BeginRestore(ctx, "local", group, *made.Name, nil)
	require.Equal(t, "RestoreNotAvailable", codeOf(t, err))
}

func TestGeneratedClientOf2018(t *testing.T) {
	h := start(t)
	ctx, group := t.Context(), "system.LOCAL"
	f, err := arm18.NewClientFactory(subscription, credential{}, h.arm())
	require.NoError(t, err)
	locations, backups := f.NewBackupLocationsClient(), f.NewBackupsClient()
	begin := func(s arm18.ExternalStore) (arm18.BackupLocationsClientUpdateResponse, error) {
		t.Helper()
		p, err := locations.BeginUpdate(ctx, group, "local", arm18.BackupLocation{Properties: &arm18.BackupLocationModel{ExternalStoreDefault: &s}}, nil)
		return poll(t, h, p, err)
	}
	whole := arm18.ExternalStore{Path: to.Ptr(`\\fs\Backups`), UserName: to.Ptr(`CORP\b`), Password: to.Ptr(password), EncryptionCertBase64: to.Ptr(certificate())}
	out, err := begin(whole)
	require.NoError(t, err)
	thumbprint := *out.Properties.ExternalStoreDefault.EncryptionCertThumbprint
	require.Regexp(t, "^[0-9A-F]{40}$", thumbprint)
	for _, change := range []arm18.ExternalStore{
		{Path: to.Ptr(`\\fs2\Backups`)}, {UserName: to.Ptr(`CORP\b2`), Password: to.Ptr(password)}, {EncryptionCertBase64: to.Ptr(makeCertificate())},
		{BackupFrequencyInHours: to.Ptr[int32](4)}, {BackupRetentionPeriodInDays: to.Ptr[int32](14)}, {IsBackupSchedulerEnabled: to.Ptr(true)},
	} {
		out, err = begin(change)
		require.NoError(t, err)
	}
	s := *out.Properties.ExternalStoreDefault
	require.Equal(t, `\\fs2\Backups`, *s.Path)
	require.Equal(t, `CORP\b2`, *s.UserName)
	require.NotEqual(t, thumbprint, *s.EncryptionCertThumbprint)
	require.True(t, *s.IsBackupSchedulerEnabled)
	require.EqualValues(t, 14, *s.BackupRetentionPeriodInDays)

	p, err := locations.BeginCreateBackup(ctx, group, "local", nil)
	made, err := poll(t, h, p, err)
	require.NoError(t, err)
	pages := backups.NewListPager(group, "local", &arm18.BackupsClientListOptions{Top: to.Ptr("1"), Skip: to.Ptr("0")})
	page, err := pages.NextPage(ctx)
	require.NoError(t, err)
	require.Len(t, page.Value, 1)
	require.False(t, pages.More())
	q, err := locations.BeginPruneExternalStore(ctx, group, "local", &arm18.BackupLocationsClientBeginPruneExternalStoreOptions{Option: &arm18.PruneBackupStoreOperationOptionModel{OperationType: to.Ptr(arm18.PruneBackupStoreOperationTypeDryRun)}})
	pruned, err := poll(t, h, q, err)
	require.NoError(t, err)
	require.Equal(t, []*string{to.Ptr("backups/old")}, pruned.Properties.PathsToDelete)
	brought := arm18.RestoreOptions{RoleName: to.Ptr("Domain"), DecryptionCertBase64: to.Ptr(pfx), DecryptionCertPassword: to.Ptr(sealtest.PFXPassword)}
	back, err := backups.BeginRestore(ctx, "local", group, *made.Name, brought, nil)
	_, err = poll(t, h, back, err)
	require.NoError(t, err)
	brought.DecryptionCertPassword = to.Ptr(password)
	_, err = backups.BeginRestore(ctx, "local", group, *made.Name, brought, nil)
	require.Equal(t, "KeyPassword", codeOf(t, err))
	operations, err := f.NewOperationsClient().NewListPager(nil).NextPage(ctx)
	require.NoError(t, err)
	require.Len(t, operations.Value, 4)

	// A failure ends the poller at once, whatever its status elsewhere.
	for _, code := range fault.Codes() {
		h.control.fails = fault.Newf(code, "it has failed")
		_, err = begin(arm18.ExternalStore{Password: to.Ptr(password)})
		require.Error(t, err, code)
		var r *azcore.ResponseError
		require.True(t, errors.As(err, &r), code)
		require.GreaterOrEqual(t, r.StatusCode, 400)
		require.Less(t, r.StatusCode, 500)
	}
}

// TestRuntimePollerAt2021 drives azcore's poller, which prefers Azure-AsyncOperation.
func TestRuntimePollerAt2021(t *testing.T) {
	h := start(t).enable()
	client, err := arm.NewClient("test", "v0.0.1", credential{}, h.arm())
	require.NoError(t, err)
	begin := func(method, path string, body any) (*runtime.Poller[map[string]any], error) {
		r, err := runtime.NewRequest(t.Context(), method, h.server.URL+path+"?api-version=2021-09-01")
		require.NoError(t, err)
		if body != nil {
			require.NoError(t, runtime.MarshalAsJSON(r, body))
		}
		response, err := client.Pipeline().Do(r)
		require.NoError(t, err)
		require.Equal(t, http.StatusAccepted, response.StatusCode)
		return runtime.NewPoller[map[string]any](response, client.Pipeline(), nil)
	}
	p, err := begin("PATCH", place, store(map[string]any{"backupFrequencyInHours": 8}))
	out, err := poll(t, h, p, err)
	require.NoError(t, err)
	require.Equal(t, "Succeeded", out["properties"].(map[string]any)["provisioningState"])
	p, err = begin("POST", place+"/createBackup", nil)
	out, err = poll(t, h, p, err)
	require.NoError(t, err)
	require.Contains(t, out["name"], "local/")
	p, err = begin("POST", place+"/pruneExternalStore", map[string]any{"operationType": "Default"})
	out, err = poll(t, h, p, err)
	require.NoError(t, err)
	require.Contains(t, out["properties"], "pathsToDelete")
	h.control.fails = fault.Newf(fault.ShareUnreachable, "the share was lost")
	p, err = begin("PATCH", place, store(map[string]any{"password": password}))
	_, err = poll(t, h, p, err)
	require.Equal(t, "ShareUnreachable", codeOf(t, err))
	h.control.fails = fault.Newf(fault.Cancelled, "it was cancelled")
	p, err = begin("PATCH", place, store(map[string]any{"password": password}))
	_, err = poll(t, h, p, err)
	require.Equal(t, "Cancelled", codeOf(t, err))
}

// shell is the loop of PowerShell's client, by its rules: Azure-AsyncOperation before
// Location before the first address; 200 and 202 alone are success; at 200 the words of
// properties.provisioningState and then status decide, and without either the body is the
// result; at the end the Location of the first answer is read once more.
func (h *harness) shell(method, path, version string, body any) (answer, bool) {
	h.t.Helper()
	first := h.do(method, path, version, body)
	if first.status != 200 && first.status != 202 {
		return first, false
	}
	at, final := first.header.Get("Azure-AsyncOperation"), first.header.Get("Location")
	if at == "" {
		at = final
	}
	require.NotEmpty(h.t, final, "the client would crash")
	for range 20 {
		a := h.do("GET", at, "", nil)
		if next := a.header.Get("Azure-AsyncOperation"); next != "" {
			at = next
		} else if next := a.header.Get("Location"); next != "" {
			at = next
		}
		if a.status == 202 {
			h.control.settle()
			continue
		}
		if a.status != 200 {
			last := h.do("GET", final, "", nil)
			return last, last.status == 200
		}
		state, _ := a.property("properties", "provisioningState").(string)
		if state == "" {
			state, _ = a.property("status").(string)
		}
		switch strings.ToLower(state) {
		case "":
			return a, true
		case "failed":
			return a, false
		case "succeeded", "canceled":
			last := h.do("GET", final, "", nil)
			return last, last.status == 200
		}
		h.control.settle()
	}
	h.t.Fatal("the client polls for ever")
	return answer{}, false
}

func TestPowerShellsLoop(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			h := start(t).enable()
			change := "PUT"
			if version == "2021-09-01" {
				change = "PATCH"
			}
			for member, value := range map[string]any{
				"path": `\\fs9\Backups`, "userName": `CORP\other`, "password": password, "backupFrequencyInHours": 5, "backupRetentionPeriodInDays": 3, "isBackupSchedulerEnabled": true,
			} {
				a, ok := h.shell(change, place, version, store(map[string]any{member: value}))
				require.True(t, ok, a.text)
				if member != "password" {
					require.EqualValues(t, value, a.property("properties", "externalStoreDefault", member))
				}
				a, ok = h.shell(change, place, version, store(map[string]any{member: value}))
				require.True(t, ok, a.text)
			}
			a, ok := h.shell("POST", place+"/createBackup", version, nil)
			require.True(t, ok, a.text)
			id := a.property("name").(string)
			if version != "2016-05-01" {
				a, ok = h.shell("POST", place+"/pruneExternalStore", version, map[string]any{"operationType": "DryRun"})
				require.True(t, ok, a.text)
				require.Equal(t, []any{"backups/old"}, a.property("properties", "pathsToDelete"))
			}
			var brought any
			if version != "2016-05-01" {
				brought = options("")
			}
			a, ok = h.shell("POST", place+"/backups/"+id[len("local/"):]+"/restore", version, brought)
			require.Equal(t, version != "2016-05-01", ok, a.text)
			if !ok {
				require.Equal(t, "RestoreNotAvailable", a.code(), "it brings no key")
			}
			for _, end := range []fault.Code{fault.ShareAuthFailed, fault.Cancelled, fault.Internal, fault.SourceThrottled} {
				h.control.fails = fault.Newf(end, "it has failed")
				_, ok = h.shell(change, place, version, store(map[string]any{"password": password}))
				require.False(t, ok, end)
			}
			h.control.fails, h.control.status = nil, backup.PartialSucceeded
			a, ok = h.shell("POST", place+"/createBackup", version, nil)
			require.True(t, ok, a.text)
			require.Equal(t, "PartialSucceeded", a.property("properties", "backupInfo", "status"))
			h.control.status = backup.Failed
			_, ok = h.shell("POST", place+"/createBackup", version, nil)
			require.False(t, ok)
			require.Equal(t, "Failed", h.do("GET", place+"/backups", version, nil).property("value").([]any)[0].(map[string]any)["properties"].(map[string]any)["backupInfo"].(map[string]any)["status"])
		})
	}
}
