package vault

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

// Wants implements [restore.Restorer].
func (r *Restorer) Wants(items []restore.Item, m *mapping.Map) ([]restore.Want, []restore.Loss, error) {
	if len(items) == 0 {
		return nil, nil, nil
	}
	if _, ok := placeOf(items[0].Kind, items[0].ID); !ok || renamed(m) {
		return r.options.Rest.Wants(items, m)
	}
	items = slices.Clone(items)
	slices.SortStableFunc(items, func(a, b restore.Item) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.ID, b.ID))
	})
	g := &group{restorer: r, mapping: m, versions: map[string][]read{}, blobs: map[string]read{}}
	for _, item := range items {
		if err := g.add(item); err != nil {
			return nil, nil, err
		}
	}
	if err := g.certificate(); err != nil {
		return nil, nil, err
	}
	for _, kind := range []string{secretKind, keyKind} {
		if err := g.object(kind); err != nil {
			return nil, nil, err
		}
	}
	slices.SortStableFunc(g.losses, func(a, b restore.Loss) int {
		return cmp.Or(strings.Compare(a.Key.Kind, b.Key.Kind), strings.Compare(a.Key.ID, b.Key.ID))
	})
	return g.wants, g.losses, nil
}

// group is what items of one name lead to.
type group struct {
	restorer *Restorer
	mapping  *mapping.Map
	versions map[string][]read // by kind of want
	blobs    map[string]read
	policy   *read
	wants    []restore.Want
	losses   []restore.Loss
}

// lose notes that an item cannot come back.
func (g *group) lose(kind, id, code, detail string) {
	g.losses = append(g.losses, restore.Loss{Key: restore.Key{Service: backup.KeyVault, Kind: kind, ID: id}, Code: code, Detail: detail})
}

// add takes one item.
func (g *group) add(item restore.Item) error {
	if strings.HasPrefix(item.Kind, "vault-deleted-") {
		g.lose(item.Kind, item.ID, "HISTORY", "it was deleted when the backup was taken")
		return nil
	}
	i, err := readItem(item)
	if err != nil {
		return err
	}
	switch item.Kind {
	case issuerKind:
		return g.issuer(i)
	case contactsKind:
		return g.contacts(i)
	case "vault-certificate-policy":
		g.policy = &i
	case "vault-secret-backup", "vault-key-backup":
		g.blobs[strings.TrimSuffix(item.Kind, "-backup")] = i
	default:
		kind := strings.TrimSuffix(item.Kind, "-version")
		g.versions[kind] = append(g.versions[kind], i)
	}
	return nil
}

// base is a want without versions, of the vault and the name that an item has.
func (g *group) base(i read) object {
	return object{Vault: i.vaultIn(g.mapping), Admin: i.admin, Collection: i.collection, Name: i.nameOf(), API: i.api, Foreign: g.restorer.options.Foreign}
}

// want adds one.
func (g *group) want(kind string, i read, o object, v values, fields []string, needs ...restore.Need) error {
	body, err := encode(i.ID, o)
	if err != nil {
		return fault.New(fault.Internal, "what is wanted", err)
	}
	w := restore.Want{Key: restore.Key{Service: backup.KeyVault, Kind: kind, ID: o.id()}, Stage: restore.StageVaultContents, Body: body, Fields: fields,
		Name: o.Vault[strings.LastIndexByte(o.Vault, '/')+1:] + o.path(), Needs: append(needs, restore.Need{Service: backup.KeyVault, Target: i.vault, Relation: "vault"})}
	if v.Blob != "" || len(v.Values) > 0 {
		if w.Payload, err = encode("the values of "+i.ID, v); err != nil {
			return fault.New(fault.Internal, "what is wanted", err)
		}
	}
	g.wants = append(g.wants, w)
	return nil
}

// gathered are the versions of a kind, oldest first.
func gathered(items []read) []version {
	var all []version
	for _, i := range items {
		all = append(all, i.version())
	}
	oldestFirst(all)
	return all
}

// managed reports whether a version belongs to a certificate.
func managed(i read) bool { return i.document.Get("managed").Bool() }

// object makes the want of a secret or a key that belongs to no certificate.
func (g *group) object(kind string) error {
	items := g.versions[kind]
	blob, sealed := g.blobs[kind]
	items = slices.DeleteFunc(slices.Clone(items), func(i read) bool {
		if !managed(i) || sealed { // a key whose certificate was not issued has a blob
			return false
		}
		if len(g.versions[certificateKind]) == 0 {
			g.lose(i.Kind, i.ID, "MANAGED", "it belongs to a certificate that the backup does not have")
		}
		return true
	})
	if len(items) == 0 && !sealed {
		return nil
	}
	first := blob
	if len(items) > 0 {
		first = items[len(items)-1]
	}
	o, v := g.base(first), values{}
	o.Versions = gathered(items)
	if sealed {
		if value := blob.document.Get("value"); value.Type == gjson.String && value.Str != "" {
			v.Blob = value.Str
		} else {
			return fault.Newf(fault.BackupDamaged, "%s %s is not what a collector wrote: it has no value", blob.Kind, blob.ID)
		}
	}
	if kind == keyKind {
		g.keyLosses(items, blob, sealed, o.id())
		return g.want(kind, first, o, v, []string{"key"})
	}
	v.Values = map[string]string{}
	for _, i := range items {
		value := i.document.Get("value")
		if value.Type != gjson.String {
			return fault.Newf(fault.BackupDamaged, "%s %s is not what a collector wrote: it has no value", i.Kind, i.ID)
		}
		v.Values[i.part] = value.Str
	}
	switch {
	case len(items) > 0:
		g.lose(kind, o.id(), "VERSIONS_NEW", "where it has to be made of its values, its versions get new IDs; tell those who name a version")
	case o.Foreign:
		g.lose(blob.Kind, blob.ID, "NO_VALUE", "no version of it could be read when the backup was taken, and its blob is of use for the stamp that was backed up only")
	}
	return g.want(kind, first, o, v, []string{"value"})
}

// keyLosses says of a key that its private half is in no document.
func (g *group) keyLosses(items []read, blob read, sealed bool, id string) {
	const elsewhere = "who made the key has to import it, or what it protects gets a new one"
	if !g.restorer.options.Foreign && sealed {
		g.lose(keyKind, id, "KEY_BLOB", "its private half comes back from its blob, into the stamp and subscription that it was in; elsewhere "+elsewhere)
		return
	}
	why := "its private half is in its blob, which only the stamp that was backed up can read; "
	if !sealed {
		why = "the backup has no blob of it, and so not its private half; "
	}
	for _, i := range items {
		g.lose(i.Kind, i.ID, "KEY_BLOB", why+elsewhere)
	}
	if sealed {
		g.lose(blob.Kind, blob.ID, "KEY_BLOB", why+elsewhere)
	}
}

// certificate makes the want of a certificate, with the values of the secret that belongs to
// it.
func (g *group) certificate() error {
	items := g.versions[certificateKind]
	if len(items) == 0 {
		if g.policy != nil {
			g.lose(g.policy.Kind, g.policy.ID, "CERTIFICATE_PENDING", "there was no certificate for it that could be read")
		}
		return nil
	}
	newest := slices.MaxFunc(items, func(a, b read) int {
		return cmp.Or(cmp.Compare(a.version().created, b.version().created), cmp.Compare(a.part, b.part))
	})
	o, v := g.base(newest), values{Values: map[string]string{}}
	policy := newest.document.Get("policy")
	if g.policy != nil {
		policy = g.policy.document
	}
	o.Policy = policyOf(policy)
	types := map[string]string{}
	for _, i := range g.versions[secretKind] {
		v.Values[i.part], types[i.part] = i.document.Get("value").String(), i.document.Get("contentType").String()
	}
	kept := items[:0:0]
	for _, i := range items {
		switch value := v.Values[i.part]; {
		case i.version().Print == "":
			g.loseVersion(i, "CERTIFICATE_PENDING", "it was not issued when the backup was taken")
			delete(v.Values, i.part)
			continue
		case !hasKey(value, types[i.part], policy):
			delete(v.Values, i.part)
			g.loseVersion(i, "CERTIFICATE_KEPT", "where it is gone it has to be issued again: the vault gave its private key to no caller, by its policy or since it was disabled or expired")
		}
		kept = append(kept, i)
	}
	if len(kept) == 0 {
		if g.policy != nil {
			g.lose(g.policy.Kind, g.policy.ID, "CERTIFICATE_PENDING", "there was no certificate for it that could be read")
		}
		return nil
	}
	if len(v.Values) == 0 && g.policy != nil {
		g.lose(g.policy.Kind, g.policy.ID, "CERTIFICATE_KEPT", "it comes with its certificate, which has to be issued again where it is gone")
	}
	if o.Policy == nil {
		if text := types[newest.part]; text != "" {
			o.Policy, _ = encode("a policy", map[string]any{"secret_props": map[string]string{"contentType": text}})
		}
	}
	o.Versions = gathered(kept)
	g.lose(certificateKind, o.id(), "VERSIONS_NEW", "where it has to be imported, its versions get new IDs; tell those who name a version")
	var needs []restore.Need
	if name := policy.Get("issuer.name").String(); namePattern().MatchString(name) && !strings.EqualFold(name, "Self") && !strings.EqualFold(name, "Unknown") {
		needs = append(needs, restore.Need{Service: backup.KeyVault, Target: newest.vault + "/certificates/issuers/" + strings.ToLower(name), Relation: "issuer"})
	}
	return g.want(certificateKind, newest, o, v, []string{"certificate", "policy"}, needs...)
}

// loseVersion loses a version of a certificate with those of its key and secret.
func (g *group) loseVersion(i read, code, detail string) {
	g.lose(i.Kind, i.ID, code, detail)
	for _, kind := range []string{keyKind, secretKind} {
		for _, other := range g.versions[kind] {
			if managed(other) && strings.EqualFold(other.part, i.part) {
				g.lose(other.Kind, other.ID, code, detail)
			}
		}
	}
}

// issuer makes the want of an issuer.
func (g *group) issuer(i read) error {
	o := g.base(i)
	if o.Settings = settingsOf(i.document); i.document.Get("provider").String() == "" {
		return fault.Newf(fault.BackupDamaged, "%s %s is not what a collector wrote: it has no provider", i.Kind, i.ID)
	}
	if err := g.want(issuerKind, i, o, values{}, []string{"provider", "credentials", "org_details"}); err != nil {
		return err
	}
	if i.document.Get("credentials.account_id").String() != "" {
		g.wants[len(g.wants)-1].Supplies = []string{"credentials.pwd"}
	}
	return nil
}

// contacts makes the want of a vault's contacts. None are no want.
func (g *group) contacts(i read) error {
	o := g.base(i)
	if o.Contacts = contactsOf(i.document); len(o.Contacts) == 0 {
		return nil
	}
	return g.want(contactsKind, i, o, values{}, []string{"contacts"})
}
