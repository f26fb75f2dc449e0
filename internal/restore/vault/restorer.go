package vault

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/writer"
	"infrabackup/internal/backup"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

// Options are for the vaults of one target.
type Options struct {
	// Stamp is the target, with the restore's own credential.
	Stamp *azure.Stamp
	// Writing bounds the waiting for changes.
	Writing writer.Options
	// Rest brings back vaults themselves, and what else the service has.
	Rest restore.Restorer
	// Foreign says that the target is not the stamp that was backed up, so that it takes no
	// backup blobs.
	Foreign bool
}

// Restorer brings back everything of the service KeyVault. It implements
// [restore.Restorer], and what [restore.Prober] and [restore.Resumer] ask.
type Restorer struct {
	options Options
	sleep   func(context.Context, time.Duration) error

	mu    sync.Mutex
	known map[string]*plane // by the ID of the vault
}

// New makes one. Options.Rest is a restorer of [backup.KeyVault].
func New(o Options) *Restorer {
	r := &Restorer{options: o, sleep: o.Writing.Sleep, known: map[string]*plane{}}
	if r.sleep == nil {
		r.sleep = writer.Sleep
	}
	return r
}

// The kinds of wants. What they are made of has kinds of its own.
const (
	secretKind      = "vault-secret"
	keyKind         = "vault-key"
	certificateKind = "vault-certificate"
	issuerKind      = "vault-certificate-issuer"
	contactsKind    = "vault-certificate-contacts"
)

// wanted reports whether wants of a kind are this package's.
func wanted(kind string) bool {
	switch kind {
	case secretKind, keyKind, certificateKind, issuerKind, contactsKind:
		return true
	}
	return false
}

// Service implements [restore.Restorer].
func (r *Restorer) Service() backup.Service { return backup.KeyVault }

// Lanes implements [restore.Restorer].
func (r *Restorer) Lanes() int { return r.options.Rest.Lanes() }

// Group implements [restore.Restorer].
func (r *Restorer) Group(e backup.CatalogEntry) string {
	p, ok := placeOf(e.Kind, e.ID)
	switch {
	case !ok:
		return r.options.Rest.Group(e)
	case p.part == "":
		return e.ID
	}
	return p.vault + "/objects/" + p.name
}

// Check implements [restore.Restorer]. Everything that stands in the way of contents is in
// what Live reads.
func (r *Restorer) Check(ctx context.Context, steps []restore.Checked, m *mapping.Map) ([]restore.Refusal, error) {
	var rest []restore.Checked
	for _, s := range steps {
		if !wanted(s.Want.Kind) {
			rest = append(rest, s)
		}
	}
	if len(rest) == 0 {
		return nil, nil
	}
	return r.options.Rest.Check(ctx, rest, m)
}

// Lacks implements [restore.Prober].
func (r *Restorer) Lacks(ctx context.Context, items []restore.Item, m *mapping.Map) (bool, error) {
	for _, item := range items {
		p, ok := placeOf(item.Kind, item.ID)
		if !ok || renamed(m) {
			prober, is := r.options.Rest.(restore.Prober)
			if !is {
				return false, nil
			}
			return prober.Lacks(ctx, items, m)
		}
		at, err := r.open(ctx, object{Vault: p.vaultIn(m), Admin: p.admin, API: dataVersions[0]})
		if err != nil {
			return false, err
		}
		if at == nil {
			continue
		}
		_, err = at.client.Get(ctx, object{Collection: p.collection, Name: p.name}.path(), at.version, nil)
		switch {
		case err == nil, errors.Is(err, azure.ErrForbidden):
			return false, nil
		case !errors.Is(err, azure.ErrNotFound):
			return false, writer.Fault(err)
		}
	}
	return true, nil
}

// renamed reports whether the target has other names than the backup's cloud. Contents are not
// brought back then: what they say of other resources and hosts is not renamed in this version.
// The restorer behind this one lists them as lost.
func renamed(m *mapping.Map) bool { return m != nil && m.Names().Site() != nil }

// Sent implements [restore.Renamer]. Wants of this package go into clouds with the same names
// only.
func (r *Restorer) Sent(want restore.Want, m *mapping.Map) ([]byte, error) {
	if renamer, ok := r.options.Rest.(restore.Renamer); ok && !wanted(want.Kind) {
		return renamer.Sent(want, m)
	}
	return want.Body, nil
}

// place is where an item lies.
type place struct {
	vault      string // ID of the vault, in lower case, as the item's own has it
	admin      bool   // the ID has the operator's endpoint in front
	collection string // secrets, keys, certificates, certificates/issuers, certificates/contacts, or deleted…
	name       string // "" for contacts
	part       string // a version, policy or backup; "" for what has none
}

// vaultIn is the ID of the vault in the target, without an endpoint in front.
func (p place) vaultIn(m *mapping.Map) string {
	id := p.vault
	if p.admin {
		id = strings.TrimPrefix(id, "/"+string(azure.Admin))
	}
	if m != nil {
		if pair, ok := m.Find(id); ok {
			return pair.New
		}
	}
	return id
}

const vaultsPath = "/providers/microsoft.keyvault/vaults/"

// placeOf takes the ID of an item apart; false for what lies in no vault.
func placeOf(kind, id string) (p place, ok bool) {
	if !strings.HasPrefix(kind, "vault-") || kind == "vault-quota" {
		return p, false
	}
	at := strings.Index(id, vaultsPath)
	if at < 0 || !strings.Contains(id[:at], "/subscriptions/") {
		return p, false
	}
	segments := strings.Split(id[at+len(vaultsPath):], "/")
	if len(segments) < 3 || segments[0] == "" {
		return p, false
	}
	p.vault = id[:at+len(vaultsPath)] + segments[0]
	p.admin = strings.HasPrefix(id, "/"+string(azure.Admin)+"/subscriptions/")
	p.collection, segments = segments[1], segments[2:]
	switch kind {
	case contactsKind:
		p.collection += "/" + segments[0]
		return p, len(segments) == 1 && p.collection == "certificates/contacts"
	case issuerKind:
		p.collection += "/" + segments[0]
		if len(segments) != 2 || p.collection != "certificates/issuers" {
			return p, false
		}
		p.name = segments[1]
		return p, namePattern().MatchString(p.name)
	case "vault-deleted-key", "vault-deleted-secret", "vault-deleted-certificate":
		p.name = segments[0]
		return p, len(segments) == 1
	case "vault-secret-version", "vault-secret-backup", "vault-key-version", "vault-key-backup", "vault-certificate-version", "vault-certificate-policy":
		if len(segments) != 2 || p.collection != collectionOf(kind) {
			return p, false
		}
		p.name, p.part = segments[0], segments[1]
		return p, namePattern().MatchString(p.name) && versionPattern().MatchString(p.part)
	}
	return p, false
}

// collectionOf is the collection of what has versions.
func collectionOf(kind string) string {
	switch {
	case strings.HasPrefix(kind, secretKind):
		return "secrets"
	case strings.HasPrefix(kind, keyKind):
		return "keys"
	}
	return "certificates"
}
