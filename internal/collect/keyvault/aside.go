package keyvault

import (
	"context"
	"errors"
	"io"
	"net/url"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// issuers captures the issuers and contacts of a vault's certificates.
func (v *vault) issuers(ctx context.Context) error {
	pages := v.client.List("/certificates/issuers", v.version, url.Values{"maxresults": {pageSize}})
	for {
		page, err := pages.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return v.denied(err, "list issuers of", "certificates")
		}
		for _, item := range page.Items {
			if err := v.issuer(ctx, item); err != nil {
				return err
			}
		}
	}
	answer, err := v.client.Get(ctx, "/certificates/contacts", v.version, nil)
	switch {
	case errors.Is(err, azure.ErrNotFound):
		return nil // there are none
	case err != nil:
		return v.denied(err, "read contacts of", "certificates")
	}
	var c captured
	v.add(&c, "vault-certificate-contacts", "certificates/contacts", "/certificates/contacts", answer.Body, nil)
	return v.record(c)
}

func (v *vault) issuer(ctx context.Context, item []byte) error {
	id := gjson.GetBytes(item, "id").String()
	u, err := url.Parse(id)
	const prefix = "/certificates/issuers/"
	if err != nil || len(u.Path) <= len(prefix) || u.Path[:len(prefix)] != prefix || !namePattern.MatchString(u.Path[len(prefix):]) {
		return fault.Newf(fault.SourceInvalid, "vault %s lists the issuer %.200q, which is none", v.name, id)
	}
	path := prefix + u.Path[len(prefix):]
	answer, err := v.client.Get(ctx, path, v.version, nil)
	switch {
	case errors.Is(err, azure.ErrNotFound):
		v.walk.Vanished(v.id + path)
		return nil
	case err != nil:
		return v.denied(err, "read issuers of", "certificates")
	}
	var c captured
	v.add(&c, "vault-certificate-issuer", "certificates/issuers", path, answer.Body, nil)
	return v.record(c)
}

// deleted captures which objects a vault keeps after their deletion. Their values are
// given to nobody before they are recovered.
func (v *vault) deleted(ctx context.Context) error {
	for _, k := range kinds {
		collection := "deleted" + k.collection
		pages := v.client.List("/"+collection, v.version, url.Values{"maxresults": {pageSize}})
		for {
			page, err := pages.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if errors.Is(err, azure.ErrNotFound) || errors.Is(err, azure.ErrRefused) || errors.Is(err, azure.ErrForbidden) {
				v.walk.Gap(backup.Gap{Code: GapDeletedHidden, Object: v.id + "/" + collection, Reason: "The vault keeps deleted objects and does not list them to the client; no value is missing by that."})
				break
			}
			if err != nil {
				return err
			}
			var c captured
			for _, item := range page.Items {
				name, _, err := splitID(gjson.GetBytes(item, k.id).String(), v.client.Host(), k.collection)
				if err != nil {
					return fault.New(fault.SourceInvalid, "vault "+v.name+" lists what is not its own", err)
				}
				v.add(&c, "vault-deleted-"+k.item[len("vault-"):], collection, "/"+collection+"/"+name, item, nil)
			}
			if err := v.record(c); err != nil {
				return err
			}
		}
	}
	return nil
}
