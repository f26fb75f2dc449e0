package vault_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/resources"
	"infrabackup/internal/restore/vault"
)

// made is an item of a backup of the vault.
func made(kind, path, document string) restore.Item {
	data := []byte(`{"endpoint":"vault","type":"t","apiVersion":"2016-10-01","document":` + document + `}`)
	return restore.Item{CatalogEntry: backup.CatalogEntry{Service: backup.KeyVault, Item: backup.Item{Kind: kind, ID: vaultID + path}, SHA256: restore.Digest(data)},
		Read: func(context.Context) ([]byte, error) { return data, nil }}
}

// offline is a restorer that has no target.
func offline(foreign bool) *vault.Restorer {
	return vault.New(vault.Options{Foreign: foreign, Rest: resources.New(backup.KeyVault, resources.Options{})})
}

// lost are the codes of losses, by kind and the end of the ID.
func lost(all []restore.Loss) map[string]string {
	codes := map[string]string{}
	for _, l := range all {
		codes[strings.TrimPrefix(l.Key.Kind, "vault-")+" "+l.Key.ID[strings.LastIndexByte(l.Key.ID, '/')+1:]] = l.Code
	}
	return codes
}

const (
	pemKey  = `-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n`
	pemCert = `-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n`
)

// TestWhatCannotComeBack: each item of a group is wanted, or its loss says why it is not.
func TestWhatCannotComeBack(t *testing.T) {
	certificate := func(version, cer, value string) []restore.Item {
		items := []restore.Item{made("vault-certificate-version", "/certificates/c/"+version, `{"id":"https://h/certificates/c/`+version+`","cer":"`+cer+`","attributes":{"enabled":true,"created":1}}`),
			made("vault-key-version", "/keys/c/"+version, `{"key":{"kid":"https://h/keys/c/`+version+`","kty":"RSA","n":"AQAB","e":"AQAB"},"managed":true}`)}
		if value != "" {
			items = append(items, made("vault-secret-version", "/secrets/c/"+version, `{"id":"https://h/secrets/c/`+version+`","contentType":"application/x-pem-file","managed":true,"value":"`+value+`"}`))
		}
		return items
	}
	policy := made("vault-certificate-policy", "/certificates/c/policy", `{"key_props":{"exportable":false}}`)
	for name, test := range map[string]struct {
		items   []restore.Item
		foreign bool
		want    []string // kinds
		lost    map[string]string
	}{
		"a certificate": {items: certificate("1", "AAEC", pemKey+pemCert), want: []string{"vault-certificate"}, lost: map[string]string{"certificate c": "VERSIONS_NEW"}},
		"a certificate whose key was kept": {items: append(certificate("1", "AAEC", pemCert), policy), want: []string{"vault-certificate"},
			lost: map[string]string{"certificate c": "VERSIONS_NEW", "certificate-version 1": "CERTIFICATE_KEPT", "key-version 1": "CERTIFICATE_KEPT", "secret-version 1": "CERTIFICATE_KEPT", "certificate-policy policy": "CERTIFICATE_KEPT"}},
		"an older version whose key was kept": {items: append(certificate("1", "AAEC", ""), certificate("2", "AAED", pemKey+pemCert)...), want: []string{"vault-certificate"},
			lost: map[string]string{"certificate c": "VERSIONS_NEW", "certificate-version 1": "CERTIFICATE_KEPT", "key-version 1": "CERTIFICATE_KEPT"}},
		"a certificate that was not issued": {items: append(certificate("1", "", ""), policy), want: nil,
			lost: map[string]string{"certificate-version 1": "CERTIFICATE_PENDING", "key-version 1": "CERTIFICATE_PENDING", "certificate-policy policy": "CERTIFICATE_PENDING"}},
		"a policy alone": {items: []restore.Item{policy}, lost: map[string]string{"certificate-policy policy": "CERTIFICATE_PENDING"}},
		"what belongs to a certificate that is not there":           {items: certificate("1", "AAEC", pemKey)[1:], lost: map[string]string{"key-version 1": "MANAGED", "secret-version 1": "MANAGED"}},
		"a key of a certificate that was not issued, with its blob": {items: []restore.Item{certificate("1", "AAEC", "")[1], made("vault-key-backup", "/keys/c/backup", `{"value":"AAAA"}`)}, want: []string{"vault-key"}, lost: map[string]string{"key c": "KEY_BLOB"}},
		"a key without a blob":                                      {items: []restore.Item{made("vault-key-version", "/keys/k/1", `{"key":{"kty":"EC"}}`)}, want: []string{"vault-key"}, lost: map[string]string{"key-version 1": "KEY_BLOB"}},
		"a key of another stamp": {items: []restore.Item{made("vault-key-version", "/keys/k/1", `{"key":{"kty":"EC"}}`), made("vault-key-backup", "/keys/k/backup", `{"value":"AAAA"}`)}, foreign: true,
			want: []string{"vault-key"}, lost: map[string]string{"key-version 1": "KEY_BLOB", "key-backup backup": "KEY_BLOB"}},
		"a secret that nobody could read": {items: []restore.Item{made("vault-secret-backup", "/secrets/s/backup", `{"value":"AAAA"}`)}, foreign: true, want: []string{"vault-secret"}, lost: map[string]string{"secret-backup backup": "NO_VALUE"}},
		"a key and a secret of one name": {items: []restore.Item{made("vault-key-version", "/keys/k/1", `{"key":{"kty":"EC"}}`), made("vault-secret-version", "/secrets/k/2", `{"value":"a"}`)}, want: []string{"vault-secret", "vault-key"},
			lost: map[string]string{"key-version 1": "KEY_BLOB", "secret k": "VERSIONS_NEW"}},
		"contacts": {items: []restore.Item{made("vault-certificate-contacts", "/certificates/contacts", `{"contacts":[]}`)}, lost: map[string]string{}},
		"deleted":  {items: []restore.Item{made("vault-deleted-secret", "/deletedsecrets/s", `{}`)}, lost: map[string]string{"deleted-secret s": "HISTORY"}},
	} {
		t.Run(name, func(t *testing.T) {
			wants, losses, err := offline(test.foreign).Wants(test.items, mapping.Empty())
			require.NoError(t, err)
			var kinds []string
			for _, w := range wants {
				kinds = append(kinds, w.Kind)
				require.Equal(t, restore.StageVaultContents, w.Stage)
				require.Equal(t, vaultID, w.Needs[len(w.Needs)-1].Target)
			}
			require.Equal(t, test.want, kinds)
			require.Equal(t, test.lost, lost(losses))
		})
	}
}

// TestTheRestIsTheOthers: vaults and quotas are the restorer's that it is given.
func TestTheRestIsTheOthers(t *testing.T) {
	r := offline(false)
	for _, kind := range []string{"vault", "deleted-vault", "vault-quota", "vault-of-tomorrow"} {
		_, losses, err := r.Wants([]restore.Item{made(kind, "", `{"id":"`+vaultID+`"}`)}, mapping.Empty())
		require.NoError(t, err)
		for _, l := range losses {
			require.NotContains(t, []string{"NO_VALUE", "KEY_BLOB"}, l.Code)
		}
	}
	require.Equal(t, restore.Verdict{Same: true, Action: restore.Remove, Reversible: restore.Reversibility{Grade: restore.Reversible}},
		r.Verdict(restore.Want{Key: restore.Key{Service: backup.KeyVault, Kind: "vault"}, Absent: true, Body: []byte(`{}`)}, restore.State{Digest: restore.AbsentDigest}, nil))
}

// TestDamagedItems: what a collector did not write is BACKUP_DAMAGED, and its value is in no error.
func TestDamagedItems(t *testing.T) {
	for name, item := range map[string]restore.Item{
		"no value":        made("vault-secret-version", "/secrets/s/1", `{"id":"x"}`),
		"no text":         made("vault-secret-version", "/secrets/s/1", `{"value":{"canary":1}}`),
		"no object":       made("vault-secret-version", "/secrets/s/1", `["canary"]`),
		"cut":             made("vault-secret-version", "/secrets/s/1", `{"value":"canary`),
		"twice":           made("vault-key-backup", "/keys/k/backup", `{"value":""}`),
		"blob of numbers": made("vault-secret-backup", "/secrets/s/backup", `{"value":1}`),
		"no provider":     made("vault-certificate-issuer", "/certificates/issuers/i", `{"id":"x"}`),
	} {
		_, _, err := offline(false).Wants([]restore.Item{item}, mapping.Empty())
		require.ErrorIs(t, err, fault.BackupDamaged, name)
		require.NotContains(t, err.Error(), "canary", name)
	}
}

// FuzzItems: whatever a backup holds, wants and their verdicts are made without a panic, the same each time,
// and values are in payloads only.
func FuzzItems(f *testing.F) {
	for _, seed := range []struct{ kind, path, document string }{
		{"vault-secret-version", "/secrets/s/1", `{"value":"fuzz-canary","id":"https://h/secrets/S/1","attributes":{"enabled":true,"exp":1,"created":2},"tags":{"a":"b"}}`},
		{"vault-key-version", "/keys/k/1", `{"key":{"kid":"https://h/keys/k/1","kty":"EC","crv":"P-256","x":"AA","y":"AA","key_ops":["sign"]}}`},
		{"vault-key-backup", "/keys/k/backup", `{"value":"AAAA"}`},
		{"vault-certificate-version", "/certificates/c/1", `{"cer":"AAEC","policy":{"issuer":{"name":"i"}}}`},
		{"vault-certificate-policy", "/certificates/c/policy", `{"key_props":{"key_size":1e400}}`},
		{"vault-certificate-issuer", "/certificates/issuers/i", `{"provider":"p","org_details":{"admin_details":[{"email":"e"}]}}`},
		{"vault-certificate-contacts", "/certificates/contacts", `{"contacts":[{"email":"e"}]}`},
		{"vault-deleted-key", "/deletedkeys/k", `{}`},
		{"vault", "", `{}`},
	} {
		f.Add(seed.kind, seed.path, []byte(seed.document), []byte(`{"versions":[{"id":"1","enabled":true,"value":"v"}],"current":"1"}`))
	}
	f.Fuzz(func(t *testing.T, kind, path string, document, live []byte) {
		item := made(kind, path, string(document))
		if kind == "vault" {
			return
		}
		r := offline(len(document)%2 == 0)
		r.Group(item.CatalogEntry)
		wants, losses, err := r.Wants([]restore.Item{item}, mapping.Empty())
		if err != nil {
			require.ErrorIs(t, err, fault.BackupDamaged)
			return
		}
		again, lostAgain, err := r.Wants([]restore.Item{item}, mapping.Empty())
		require.NoError(t, err)
		require.Equal(t, wants, again)
		require.Equal(t, losses, lostAgain)
		var value struct{ Value string }
		for _, w := range wants {
			if json.Unmarshal(document, &value) == nil && strings.HasPrefix(value.Value, "fuzz-canary") {
				require.NotContains(t, string(w.Body), "fuzz-canary")
			}
			for _, s := range []restore.State{{Digest: restore.AbsentDigest}, {Deleted: true, Digest: "d"}, {Exists: true, Digest: "e", Document: live}} {
				v := r.Verdict(w, s, nil)
				require.Equal(t, v, r.Verdict(w, s, nil))
				r.Begun(w, restore.State{Digest: restore.AbsentDigest}, s)
				r.Inverse(w, restore.State{Digest: restore.AbsentDigest}, s)
				r.Inverse(w, s, restore.State{Exists: true, Document: live, Digest: "x"})
			}
		}
	})
}
