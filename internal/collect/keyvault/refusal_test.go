package keyvault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/collect/keyvault"
	"infrabackup/internal/fault"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

// TestMissingPermission takes permissions away one by one. Each is named, and only the
// one that also changes something may be missing.
func TestMissingPermission(t *testing.T) {
	w := newWorld(t)
	w.furnish()
	for _, action := range []string{
		"keys/list", "keys/get", "keys/backup", "secrets/list", "secrets/get", "secrets/backup",
		"certificates/list", "certificates/get", "certificates/listissuers", "certificates/getissuers",
	} {
		t.Run(action, func(t *testing.T) {
			w.Deny(w.ClientID(), func(a stamp.Access) bool { return a.Action == action && strings.HasPrefix(a.Host, w.vault+".") })
			of, permission, _ := strings.Cut(action, "/")
			want := fmt.Sprintf("vault own: client %s lacks the permission %s of %s", w.ClientID(), permission, of)
			_, err := w.capture(t)
			requireFault(t, fault.SourceAccessDenied, err)
			require.ErrorContains(t, err, want)

			err = w.collector(t).Check(t.Context())
			if strings.HasPrefix(permission, "list") {
				requireFault(t, fault.SourceAccessDenied, err)
				require.ErrorContains(t, err, want)
				require.NotContains(t, err.Error(), "needs a role", "roles do not open vaults")
			} else {
				require.NoError(t, err, "nothing is read to find out")
			}
		})
	}
	t.Run("certificates/managecontacts", func(t *testing.T) {
		w.Deny(w.ClientID(), func(a stamp.Access) bool {
			return a.Action == "certificates/managecontacts" && strings.HasPrefix(a.Host, w.vault+".")
		})
		r, err := w.capture(t)
		require.NoError(t, err)
		require.Equal(t, keyvault.GapContacts, w.gaps(r)["certificates/contacts"])
		require.NotContains(t, w.items(t, r), "vault-certificate-contacts certificates/contacts")
	})
	t.Run("a role", func(t *testing.T) {
		w.Deny(w.ClientID(), func(a stamp.Access) bool { return strings.EqualFold(a.Action, "Microsoft.KeyVault/vaults/read") })
		err := w.collector(t).Check(t.Context())
		requireFault(t, fault.SourceAccessDenied, err)
		require.ErrorContains(t, err, "needs a role that may read Microsoft.KeyVault/vaults")
	})
}

func requireFault(t *testing.T, code fault.Code, err error) {
	t.Helper()
	f, ok := fault.Of(err)
	require.True(t, ok, "%v", err)
	require.Equal(t, code, f.Code, "%v", err)
}

// TestVersionThatCloses disables a secret between its list and its reading: that is a
// gap, and no missing permission.
func TestVersionThatCloses(t *testing.T) {
	w := newWorld(t)
	w.put("secrets", "s", "v1", "v2")
	w.once(t, w.on("GET", "/secrets/s/v2"), func() {
		w.PutVaultObject(inventory.VaultObject{Vault: w.vault, Kind: "secrets", Name: "s", Versions: []inventory.VaultVersion{
			w.version("secrets", "s", "v1"), w.version("secrets", "s", "v2", disabled),
		}})
	})
	r, err := w.capture(t)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"secrets/s/v2": keyvault.GapDisabled}, w.gaps(r))
}

// TestVersionThatOpens enables a secret after it was read: the gap goes.
func TestVersionThatOpens(t *testing.T) {
	w := newWorld(t)
	w.PutVaultObject(inventory.VaultObject{Vault: w.vault, Kind: "secrets", Name: "s", Versions: []inventory.VaultVersion{w.version("secrets", "s", "v1", disabled)}})
	w.once(t, w.on("GET", "/certificates"), func() { w.put("secrets", "s", "v1") })
	r, err := w.capture(t)
	require.NoError(t, err)
	require.Empty(t, w.gaps(r))
	require.Contains(t, w.items(t, r), "vault-secret-version secrets/s/v1")
}

// TestRefusals are answers 403 and 400 of vaults that differ from the stand-in.
func TestRefusals(t *testing.T) {
	refuse := func(status int, inner string) stamp.Fault {
		return stamp.Fault{Kind: stamp.Refusal, Status: status, Inner: inner}
	}
	keys := func(name string, change ...func(*inventory.VaultVersion)) func(*world) {
		return func(w *world) {
			w.PutVaultObject(inventory.VaultObject{Vault: w.vault, Kind: "keys", Name: name, Versions: []inventory.VaultVersion{w.version("keys", name, "v1", change...)}})
		}
	}
	for name, c := range map[string]struct {
		put    func(*world)
		on     [2]string
		answer stamp.Fault
		gap    string // path and code
		code   fault.Code
	}{
		"a disabled key that is refused":    {keys("k", disabled), [2]string{"GET", "/keys/k/v1"}, refuse(403, "KeyDisabled"), "keys/k/v1 " + keyvault.GapDisabled, ""},
		"without a word why":                {keys("k", disabled), [2]string{"GET", "/keys/k/v1"}, refuse(403, ""), "keys/k/v1 " + keyvault.GapDisabled, ""},
		"a disabled key without permission": {keys("k", disabled), [2]string{"GET", "/keys/k/v1"}, refuse(403, "ForbiddenByPolicy"), "", fault.SourceAccessDenied},
		"an open key that is refused":       {keys("k"), [2]string{"GET", "/keys/k/v1"}, refuse(403, ""), "", fault.SourceAccessDenied},
		"a blob of a disabled key":          {keys("k", disabled), [2]string{"POST", "/keys/k/backup"}, refuse(403, "KeyDisabled"), "keys/k " + keyvault.GapBlobRefused, ""},
		"a blob of too many versions":       {keys("k"), [2]string{"POST", "/keys/k/backup"}, refuse(400, ""), "keys/k " + keyvault.GapBlobRefused, ""},
		"a blob that is too large": {keys("k"), [2]string{"POST", "/keys/k/backup"},
			stamp.Fault{Kind: stamp.Instead, Status: 200, Body: []byte(`{"value":"` + strings.Repeat("x", 33<<20) + `"}`)}, "keys/k " + keyvault.GapBlobRefused, ""},
		"a blob without permission":           {keys("k"), [2]string{"POST", "/keys/k/backup"}, refuse(403, "ForbiddenByPolicy"), "", fault.SourceAccessDenied},
		"a blob that is refused without why":  {keys("k"), [2]string{"POST", "/keys/k/backup"}, refuse(403, ""), "", fault.SourceAccessDenied},
		"a version that fails":                {keys("k"), [2]string{"GET", "/keys/k/v1"}, refuse(500, ""), "", fault.SourceFailed},
		"a list that fails":                   {keys("k"), [2]string{"GET", "/keys/k/versions"}, refuse(500, ""), "", fault.SourceFailed},
		"contacts that fail":                  {keys("k"), [2]string{"GET", "/certificates/contacts"}, refuse(500, ""), "", fault.SourceFailed},
		"deleted objects that fail":           {keys("k"), [2]string{"GET", "/deletedkeys"}, refuse(500, ""), "", fault.SourceFailed},
		"a vault that takes no such version":  {keys("k"), [2]string{"GET", "/keys"}, refuse(400, ""), "", fault.SourceInvalid},
		"a firewall between client and vault": {keys("k"), [2]string{"GET", "/keys"}, refuse(403, "ForbiddenByFirewall"), "", fault.SourceAccessDenied},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.put(w)
			c.answer.Match = w.on(c.on[0], c.on[1])
			defer w.Inject(c.answer)()
			r, err := w.capture(t)
			if c.code != "" {
				requireFault(t, c.code, err)
				return
			}
			require.NoError(t, err)
			path, code, _ := strings.Cut(c.gap, " ")
			require.Equal(t, map[string]string{path: code}, w.gaps(r))
		})
	}
}

// TestReferencesOfPolicies looks at whom a vault's access policies name.
func TestReferencesOfPolicies(t *testing.T) {
	w := newWorld(t)
	sid := "S-1-5-21-1-2-3-1104"
	body := fmt.Sprintf(`{"id":%q,"name":"own","type":"Microsoft.KeyVault/vaults","properties":{"vaultUri":%q,"accessPolicies":[{"objectId":%q},{"objectId":"S-1-5-11"},{"objectId":"3a1c"}]}}`,
		w.id, w.VaultURL("own")+"/", sid)
	w.Put(inventory.Document{Endpoint: inventory.Tenant, ID: w.id, Type: "Microsoft.KeyVault/vaults", Body: json.RawMessage(body)})
	r, err := w.capture(t)
	require.NoError(t, err)
	for _, c := range r.Calls() {
		if c.Item.ID == w.id {
			require.Len(t, c.Item.References, 1)
			require.Equal(t, "sid:"+strings.ToLower(sid), c.Item.References[0].Target)
		}
	}
}

// TestVaultElsewhere has vaults whose address is not the stamp's, or leads nowhere.
func TestVaultElsewhere(t *testing.T) {
	for uri, code := range map[string]fault.Code{
		"https://own.vault.evil.example/":                        fault.SourceInvalid,
		"https://nowhere.else.vault.local.azurestack.test:9/own": fault.SourceInvalid,
	} {
		t.Run(uri, func(t *testing.T) {
			w := newWorld(t)
			body := fmt.Sprintf(`{"id":%q,"name":"own","type":"Microsoft.KeyVault/vaults","properties":{"vaultUri":%q}}`, w.id, uri)
			w.Put(inventory.Document{Endpoint: inventory.Tenant, ID: w.id, Type: "Microsoft.KeyVault/vaults", Body: json.RawMessage(body)})
			_, err := w.capture(t)
			requireFault(t, code, err)
			requireFault(t, code, w.collector(t).Check(t.Context()))
		})
	}
}

// TestFaultsOfVaults goes through the misbehaviours of a vault's data plane: it is
// captured whole, or the service fails with a code.
func TestFaultsOfVaults(t *testing.T) {
	list, read := [2]string{"GET", "/secrets"}, [2]string{"GET", "/secrets/s030/v1"}
	for name, c := range map[string]struct {
		on      [2]string
		fault   stamp.Fault
		code    fault.Code // "" when it must be captured whole
		timeout time.Duration
	}{
		"500 once":                    {on: read, fault: stamp.Fault{Kind: stamp.InternalError, Times: 1}},
		"500 for good":                {on: read, fault: stamp.Fault{Kind: stamp.InternalError}, code: fault.SourceFailed},
		"429, short":                  {on: read, fault: stamp.Fault{Kind: stamp.Throttled, Times: 1, RetryAfter: time.Second}},
		"429, 120 s, and no patience": {on: read, fault: stamp.Fault{Kind: stamp.Throttled, RetryAfter: 2 * time.Minute}, code: fault.SourceThrottled},
		"no answer once":              {on: read, fault: stamp.Fault{Kind: stamp.Hang, Times: 1}, timeout: 500 * time.Millisecond},
		"no answer":                   {on: read, fault: stamp.Fault{Kind: stamp.Hang}, code: fault.SourceUnreachable, timeout: 200 * time.Millisecond},
		"half a body once":            {on: read, fault: stamp.Fault{Kind: stamp.HalfBody, Times: 1}},
		"half a document":             {on: read, fault: stamp.Fault{Kind: stamp.TruncatedBody}, code: fault.SourceIncomplete},
		"an answer beyond all limits": {on: read, fault: stamp.Fault{Kind: stamp.HugeItem, Size: 40}, code: fault.LimitExceeded},
		"an expired token":            {on: read, fault: stamp.Fault{Kind: stamp.ExpiredToken, Times: 1}},
		"a permission revoked":        {on: read, fault: stamp.Fault{Kind: stamp.Forbidden}, code: fault.SourceAccessDenied},
		"a page that changes":         {on: list, fault: stamp.Fault{Kind: stamp.ShiftPage, Times: 1}},
		"a page that changes later":   {on: list, fault: stamp.Fault{Kind: stamp.ShiftPage, After: 2, Times: 1}},
		"a page that repeats":         {on: list, fault: stamp.Fault{Kind: stamp.RepeatPage}, code: fault.SourceIncomplete},
		"a page that leads to itself": {on: list, fault: stamp.Fault{Kind: stamp.LoopPage}, code: fault.SourceIncomplete},
		"a page on another host":      {on: list, fault: stamp.Fault{Kind: stamp.ForeignNextLink}, code: fault.SourceInvalid},
		"a duplicate":                 {on: list, fault: stamp.Fault{Kind: stamp.DuplicateID}},
		"an unknown field":            {on: list, fault: stamp.Fault{Kind: stamp.UnknownField}},
		"a later page is forbidden":   {on: list, fault: stamp.Fault{Kind: stamp.Forbidden, After: 1}, code: fault.SourceAccessDenied},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for i := range 60 {
				w.put("secrets", fmt.Sprintf("s%03d", i), "v1")
			}
			if c.timeout > 0 {
				w.config.TryTimeout = c.timeout
			}
			w.config.Patience = time.Minute
			c.fault.Match = w.on(c.on[0], c.on[1])
			defer w.Inject(c.fault)()
			r, err := w.capture(t)
			if c.code != "" {
				requireFault(t, c.code, err)
				return
			}
			require.NoError(t, err)
			require.Len(t, w.items(t, r), 120)
			require.Empty(t, w.gaps(r))
		})
	}
}

// TestCancelled ends a capture while a vault does not answer.
func TestCancelled(t *testing.T) {
	w := newWorld(t)
	w.put("secrets", "s", "v1")
	w.config.TryTimeout = time.Minute
	defer w.Inject(stamp.Fault{Kind: stamp.Hang, Match: w.on("GET", "/secrets/s/v1")})()
	ctx, cancel := context.WithCancel(t.Context())
	w.once(t, w.on("GET", "/secrets/s/v1"), cancel)
	_, err := w.collector(t).Collect(ctx, &collecttest.Recorder{})
	require.True(t, errors.Is(err, context.Canceled), "%v", err)
}
