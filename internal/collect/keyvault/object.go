package keyvault

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"regexp"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/resource"
)

// Codes of gaps.
const (
	GapDisabled      = "VERSION_DISABLED"      // the vault gives a disabled version to nobody
	GapExpired       = "VERSION_EXPIRED"       // nor one that has expired
	GapNotYetValid   = "VERSION_NOT_YET_VALID" // nor one before its time
	GapNotExportable = "KEY_NOT_EXPORTABLE"    // the policy keeps the private key in the vault
	GapBlobRefused   = "BACKUP_BLOB_REFUSED"   // the vault makes no blob of this object
	GapDeletedHidden = "DELETED_OBJECTS_UNREAD"
)

// Names and versions by the definition of the data plane.
var (
	namePattern    = regexp.MustCompile(`^[0-9a-zA-Z-]{1,127}$`)
	versionPattern = regexp.MustCompile(`^[0-9a-zA-Z]{1,64}$`)
)

// captured is what came of one object.
type captured struct {
	records  []record
	gaps     []backup.Gap
	vanished []string
	err      error
}

type record struct {
	kind     string
	resource resource.Resource
	extras   resource.Extras
}

// record hands on what came of an object.
func (v *vault) record(c captured) error {
	for _, r := range c.records {
		if _, err := v.walk.Record(r.kind, r.resource, r.extras); err != nil {
			return err
		}
	}
	for _, g := range c.gaps {
		v.walk.Gap(g)
	}
	for _, id := range c.vanished {
		v.walk.Vanished(id)
	}
	return c.err
}

// add keeps a document for the path below the vault's resource.
func (v *vault) add(c *captured, kind, fullType, path string, document []byte, references []backup.Reference) {
	c.records = append(c.records, record{
		kind: kind,
		resource: resource.Resource{
			Endpoint: azure.Vault, Type: "Microsoft.KeyVault/vaults/" + fullType, ID: v.id + path, Version: v.version, Document: document,
		},
		extras: resource.Extras{Name: v.name + path, References: references},
	})
}

// capture reads one object with all its versions. It runs beside others.
func (v *vault) capture(o object, ctx context.Context) captured {
	c := &captured{}
	if c.err = v.versions(ctx, c, o); c.err != nil {
		if errors.Is(c.err, azure.ErrNotFound) {
			return captured{vanished: []string{v.id + o.path()}}
		}
		return captured{err: c.err}
	}
	switch {
	case o.collection == "certificates":
		c.err = v.policy(ctx, c, o)
	case o.backup && !o.managed:
		c.err = v.blob(ctx, c, o)
	}
	if errors.Is(c.err, azure.ErrNotFound) {
		c.err, c.vanished = nil, append(c.vanished, v.id+o.path())
	}
	return *c
}

func (v *vault) versions(ctx context.Context, c *captured, o object) error {
	var all []object
	if err := v.list(ctx, o.kind, o.path()+"/versions", func(version object) bool {
		all = append(all, version)
		return true
	}); err != nil {
		return v.denied(err, "list", o.collection)
	}
	for _, listed := range all {
		_, version, err := splitID(gjson.GetBytes(listed.document, o.id).String(), v.client.Host(), o.collection)
		if err != nil {
			return err
		}
		path := o.path() + "/" + version
		why, closed := v.closed(listed, path)
		if closed && why.Code == GapDisabled {
			c.gaps = append(c.gaps, why)
			continue
		}
		answer, err := v.client.Get(ctx, path, v.version, nil)
		switch {
		case errors.Is(err, azure.ErrForbidden) && closed:
			c.gaps = append(c.gaps, why)
			continue
		case errors.Is(err, azure.ErrNotFound):
			c.vanished = append(c.vanished, v.id+path)
			continue
		case err != nil:
			return v.denied(err, "get", o.collection)
		}
		v.add(c, o.item+"-version", o.collection+"/versions", path, answer.Body, issuedBy(answer.Body))
	}
	return nil
}

// closed says why a vault gives a version of a secret to nobody. Keys and certificates
// are given whatever their attributes.
func (v *vault) closed(listed object, path string) (backup.Gap, bool) {
	if listed.collection != "secrets" {
		return backup.Gap{}, false
	}
	attributes := gjson.GetBytes(listed.document, "attributes")
	if enabled := attributes.Get("enabled"); enabled.Exists() && !enabled.Bool() {
		return v.gap(GapDisabled, path, "A vault gives the value of a disabled version to nobody; the backup blob holds it."), true
	}
	if expires := attributes.Get("exp").Int(); expires > 0 && expires <= listed.listed.Unix() {
		return v.gap(GapExpired, path, "A vault gives the value of an expired version to nobody; the backup blob holds it."), true
	}
	if begins := attributes.Get("nbf").Int(); begins > listed.listed.Unix() {
		return v.gap(GapNotYetValid, path, "A vault gives the value of a version before its time to nobody; the backup blob holds it."), true
	}
	return backup.Gap{}, false
}

// policy reads the policy of a certificate.
func (v *vault) policy(ctx context.Context, c *captured, o object) error {
	answer, err := v.client.Get(ctx, o.path()+"/policy", v.version, nil)
	if err != nil {
		return v.denied(err, "get", o.collection)
	}
	v.add(c, o.item+"-policy", o.collection+"/policy", o.path()+"/policy", answer.Body, nil)
	if exportable := gjson.GetBytes(answer.Body, "key_props.exportable"); exportable.Exists() && !exportable.Bool() {
		c.gaps = append(c.gaps, v.gap(GapNotExportable, o.path(), "The certificate's policy keeps its private key in the vault; the certificate alone was captured."))
	}
	return nil
}

// blob asks for the protected backup of an object.
func (v *vault) blob(ctx context.Context, c *captured, o object) error {
	answer, err := v.client.Post(ctx, o.path()+"/backup", v.version)
	switch {
	case errors.Is(err, azure.ErrRefused):
		c.gaps = append(c.gaps, v.gap(GapBlobRefused, o.path(), "The vault makes no backup blob of it, for example because it has too many versions; what can be exported was."))
		return nil
	case err != nil:
		return v.denied(err, "backup", o.collection)
	}
	v.add(c, o.item+"-backup", o.collection+"/backup", o.path()+"/backup", answer.Body, nil)
	return nil
}

// issuedBy refers from a certificate to the CA that issued it, by key identifier
// (RFC 5280, 4.2.1.1). Self-signed certificates refer to nothing.
func issuedBy(document []byte) []backup.Reference {
	cer := gjson.GetBytes(document, "cer").String()
	if cer == "" {
		return nil
	}
	der, err := base64.StdEncoding.DecodeString(cer)
	if err != nil {
		return nil
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil || len(certificate.AuthorityKeyId) == 0 || bytes.Equal(certificate.RawIssuer, certificate.RawSubject) {
		return nil
	}
	return []backup.Reference{{Relation: "issuing-ca", Service: backup.CA, Target: "key-id:" + hex.EncodeToString(certificate.AuthorityKeyId)}}
}
