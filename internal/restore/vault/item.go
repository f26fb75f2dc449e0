package vault

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure/scan"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
)

// read is an item with its document.
type read struct {
	restore.Item
	place
	api      string
	document gjson.Result
}

// readItem reads an item and holds it to what a collector writes.
func readItem(item restore.Item) (read, error) {
	i := read{Item: item}
	data, err := item.Read(context.Background()) // of a backup: it has its own bounds
	if err != nil {
		return i, err
	}
	damaged := func(err error) error {
		return fault.New(fault.BackupDamaged, fmt.Sprintf("%s %s is not what a collector wrote", item.Kind, item.ID), err)
	}
	var ok bool
	if i.place, ok = placeOf(item.Kind, item.ID); !ok {
		return i, damaged(errors.New("its ID is not that of its kind"))
	}
	if err := scan.Document(data, scan.DefaultLimits); err != nil {
		return i, damaged(err)
	}
	var envelope resource.Envelope
	if json.Unmarshal(data, &envelope) != nil { // its error could quote a value
		return i, damaged(errors.New("it is no envelope"))
	}
	document := scan.Trim(envelope.Bytes())
	if err := scan.Document(document, scan.DefaultLimits); err != nil {
		return i, damaged(err)
	}
	if i.document = gjson.ParseBytes(document); !i.document.IsObject() {
		return i, damaged(errors.New("its document is no object"))
	}
	if i.api = envelope.APIVersion; !slices.Contains(dataVersions, i.api) {
		i.api = dataVersions[0]
	}
	return i, nil
}

// version is what an item says of its version.
func (i read) version() version {
	v := versionOf(i.document, i.collection)
	v.ID = i.part
	return v
}

// versionOf reads a bundle, or an element of a list of versions, of a collection.
func versionOf(d gjson.Result, collection string) version {
	a := d.Get("attributes")
	enabled := a.Get("enabled")
	v := version{Enabled: enabled.Type == gjson.Null || enabled.Bool(), ContentType: d.Get("contentType").String(), created: a.Get("created").Int()}
	if collection != "certificates" { // a certificate says these itself
		v.NotBefore, v.Expires = a.Get("nbf").Int(), a.Get("exp").Int()
	}
	d.Get("tags").ForEach(func(name, value gjson.Result) bool {
		if v.Tags == nil {
			v.Tags = map[string]string{}
		}
		v.Tags[name.String()] = value.String()
		return true
	})
	switch collection {
	case "keys":
		key := d.Get("key")
		v.Public = publicOf(key)
		for _, operation := range key.Get("key_ops").Array() {
			v.Operations = append(v.Operations, operation.String())
		}
		slices.Sort(v.Operations)
	case "certificates":
		if der, err := base64.StdEncoding.DecodeString(d.Get("cer").String()); err == nil && len(der) > 0 {
			sum := sha256.Sum256(der)
			v.Print = hex.EncodeToString(sum[:])
		}
	}
	return v
}

// publicOf names the public half of a key, "" where it has none.
func publicOf(key gjson.Result) string {
	text := strings.TrimSuffix(key.Get("kty").String(), "-HSM")
	if text == "" {
		return ""
	}
	for _, name := range []string{"crv", "n", "e", "x", "y"} {
		text += "\x00" + strings.TrimRight(key.Get(name).String(), "=")
	}
	return restore.Digest([]byte(text))
}

// oldestFirst sorts versions by the time when they were made. A vault tells it in seconds;
// within one the IDs decide.
func oldestFirst(versions []version) {
	slices.SortFunc(versions, func(a, b version) int { return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.ID, b.ID)) })
}

// nameOf is the name of an object in the letters that its document has.
func (i read) nameOf() string {
	id := i.document.Get("id").String()
	if i.collection == "keys" {
		id = i.document.Get("key.kid").String()
	}
	if i.part != "" {
		id = strings.TrimSuffix(id, "/")
		if cut := strings.LastIndexByte(id, '/'); cut >= 0 {
			id = id[:cut]
		}
	}
	if name := id[strings.LastIndexByte(id, '/')+1:]; strings.EqualFold(name, i.name) {
		return name
	}
	return i.name
}

// policyOf is what can be sent of a policy, and is compared. Nil when it says nothing.
func policyOf(d gjson.Result) json.RawMessage {
	return membersOf(d, "key_props", "secret_props", "x509_props", "lifetime_actions", "issuer")
}

// settingsOf is what can be sent of an issuer: its password is never given.
func settingsOf(d gjson.Result) json.RawMessage {
	o := map[string]any{"provider": d.Get("provider").String()}
	if account := d.Get("credentials.account_id"); account.Exists() {
		o["credentials"] = map[string]string{"account_id": account.String()}
	}
	if details := d.Get("org_details"); details.IsObject() {
		o["org_details"] = details.Value()
	}
	if enabled := d.Get("attributes.enabled"); enabled.IsBool() {
		o["attributes"] = map[string]bool{"enabled": enabled.Bool()}
	}
	data, err := json.Marshal(o)
	if err != nil { // made of what was JSON
		return nil
	}
	return data
}

// membersOf are some members of a document in a canonical form.
func membersOf(d gjson.Result, names ...string) json.RawMessage {
	o := map[string]any{}
	for _, name := range names {
		if value := d.Get(name); value.Exists() && value.Type != gjson.Null {
			o[name] = value.Value()
		}
	}
	data, err := json.Marshal(o)
	if err != nil || len(o) == 0 {
		return nil
	}
	return data
}

// contactsOf reads whom a vault tells.
func contactsOf(d gjson.Result) []contact {
	var all []contact
	for _, one := range d.Get("contacts").Array() {
		c := contact{Email: one.Get("email").String(), Name: one.Get("name").String(), Phone: one.Get("phone").String()}
		if c != (contact{}) && !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

// hasKey reports whether the value of a certificate's secret can be imported: a PEM document
// says whether it has the private key, a PFX only by the policy.
func hasKey(value, contentType string, policy gjson.Result) bool {
	switch {
	case value == "":
		return false
	case strings.Contains(value, "-----BEGIN "):
		return strings.Contains(value, "PRIVATE KEY-----")
	}
	exportable := policy.Get("key_props.exportable")
	return strings.EqualFold(contentType, "application/x-pkcs12") && exportable.Type != gjson.False
}
