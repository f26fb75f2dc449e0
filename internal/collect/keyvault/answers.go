package keyvault

import (
	"context"
	"errors"
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/azure/scan"
	"infrabackup/internal/collect/resource"
)

// get reads a document at a path of the vault, and makes sure that it is the one that
// was asked for. Another one is asked for again a few times.
func (r *reading) get(ctx context.Context, path string) (*azure.Answer, error) {
	return r.v.client.GetWith(ctx, path, r.v.version, r.is(path))
}

// blob asks for the protected backup of an object.
func (r *reading) blob(ctx context.Context, path string) (*azure.Answer, error) {
	return r.v.client.PostWith(ctx, path, r.v.version, r.is(path))
}

// is makes sure that an answer is what was asked for. It never repeats what stands there.
func (r *reading) is(path string) func([]byte) error {
	return func(document []byte) error {
		if r.v.walk.ChecksAnswers() && !resourceid.Same(r.v.addressIn(r.o.collection, path, document), r.v.id+path) {
			return errors.New("it is not what lies there")
		}
		return nil
	}
}

// costs decides about an answer that costs one document and not its service. The error
// is not about permissions.
func (r *reading) costs(path string, err error) bool {
	switch {
	case errors.Is(err, resource.ErrAnswer):
		r.gap(resource.GapAnswer, path, "The vault answered, each time, with what is not the document that was requested; it was not captured.")
	case errors.Is(err, azure.ErrRefused):
		r.gap(resource.GapResourceRefused, path, "The vault lists it and refused to give it; it was not captured.")
	default:
		return false
	}
	return true
}

// addressIn is what a document of a vault says that it is: the address of its item, ""
// when it says nothing of the kind. Policies and contacts need no id; a blob is known by
// its value.
func (v *vault) addressIn(c *collection, path string, document []byte) string {
	d := gjson.ParseBytes(scan.Trim(document))
	if !d.IsObject() || d.Get("error").IsObject() {
		return ""
	}
	last := path[strings.LastIndexByte(path, '/')+1:]
	id := d.Get("id").String()
	if c.within == "keys" {
		if id = d.Get("key.kid").String(); id == "" {
			id = d.Get("kid").String() // an element of a list
		}
	}
	var known string
	switch {
	case c.blob && last == "backup":
		if value := d.Get("value"); value.Type == gjson.String && value.Str != "" {
			return v.id + path
		}
		return ""
	case path == "/certificates/contacts":
		known = "contacts"
	case c.path == "certificates" && last == "policy":
		known = "key_props"
	}
	if id == "" && known != "" && d.Get(known).Exists() {
		return v.id + path
	}
	name, version, err := splitID(id, v.client.Host(), c.within)
	if err != nil {
		return ""
	}
	own := v.id + object{collection: c, name: name}.path()
	if version != "" {
		own += "/" + version
	}
	return own
}
