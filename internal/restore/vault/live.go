package vault

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/scan"
	"infrabackup/internal/azure/writer"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

// Limits of one object of the target.
const (
	maxVersions = 20_000
	maxValues   = 16 << 20 // bytes
	pageSize    = "25"     // more is refused
)

// Live implements [restore.Restorer].
func (r *Restorer) Live(ctx context.Context, want restore.Want, m *mapping.Map) (restore.State, error) {
	if !wanted(want.Kind) {
		return r.options.Rest.Live(ctx, want, m)
	}
	o, v, err := decode(want.Body, want.Payload)
	if err != nil {
		return restore.State{}, fault.New(fault.Internal, "what is wanted", err)
	}
	absent := restore.State{Digest: restore.AbsentDigest}
	at, err := r.open(ctx, o)
	if err != nil || at == nil {
		return absent, err
	}
	o.API = at.version
	l := &looking{client: at.client, o: o, values: v}
	if err := l.look(ctx); err != nil {
		if errors.Is(err, azure.ErrNotFound) { // the vault went, and its name with it
			r.forget(o)
		}
		return absent, writer.Fault(err)
	}
	return l.state()
}

// looking is the reading of one object.
type looking struct {
	client  *azure.Client
	o       object
	values  values
	found   found
	exists  bool
	deleted bool
	held    int // bytes of values
}

// state is what was found.
func (l *looking) state() (restore.State, error) {
	s := restore.State{Exists: l.exists, Deleted: l.deleted && !l.exists, Digest: restore.AbsentDigest}
	canonical, err := l.found.canonical()
	if err == nil && (s.Exists || s.Deleted) {
		s.Document, err = encode("a state", l.found)
	}
	if err != nil {
		return s, fault.New(fault.Internal, "what was found of "+l.o.path(), err)
	}
	switch {
	case s.Deleted:
		s.Digest = restore.Digest(append([]byte("deleted "), canonical...))
	case s.Exists:
		s.Digest = restore.Digest(canonical)
	}
	return s, nil
}

// lacks notes a permission that is missing, or a network that is kept out. The object counts as
// there, in a state that nobody knows, so that nothing is written over it.
func (l *looking) lacks(permission string, err error) error {
	if inner := azure.SaidBy(err).Inner; strings.HasPrefix(inner, "ForbiddenBy") && slices.Contains(words, inner) {
		permission += " (" + inner + ")"
	}
	l.found, l.exists = found{Missing: permission}, true
	return nil
}

// forbidden reports a refusal for want of a permission.
func forbidden(err error) bool {
	return errors.Is(err, azure.ErrForbidden)
}

func (l *looking) look(ctx context.Context) error {
	switch l.o.Collection {
	case "certificates/issuers", "certificates/contacts":
		return l.settings(ctx)
	}
	if err := l.versions(ctx); err != nil || l.exists {
		return err
	}
	if len(l.found.Versions) == 0 {
		return l.gone(ctx)
	}
	l.exists = true
	switch l.o.Collection {
	case "secrets":
		return l.secret(ctx)
	case "keys":
		return l.each(ctx, func(i int, d gjson.Result) {
			l.found.Versions[i].version = merged(l.found.Versions[i].version, versionOf(d, "keys"))
		})
	}
	if err := l.each(ctx, func(i int, d gjson.Result) {
		l.found.Versions[i].version = merged(l.found.Versions[i].version, versionOf(d, "certificates"))
	}); err != nil || l.found.Missing != "" {
		return err
	}
	answer, err := l.client.Get(ctx, l.o.path()+"/policy", l.o.API, nil)
	switch {
	case forbidden(err):
		return l.lacks("get of certificates", err)
	case errors.Is(err, azure.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	l.found.Policy = policyOf(gjson.ParseBytes(scan.Trim(answer.Body)))
	return nil
}

// merged has what the bundle of a version says and its list does not.
func merged(listed, bundle version) version {
	bundle.ID = listed.ID
	return bundle
}

// versions lists the versions of an object.
func (l *looking) versions(ctx context.Context) error {
	pages := l.client.List(l.o.path()+"/versions", l.o.API, url.Values{"maxresults": {pageSize}})
	defer pages.Close()
	for {
		page, err := pages.Next(ctx)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, azure.ErrNotFound):
			return nil
		case forbidden(err):
			return l.lacks("list of "+l.o.Collection, err)
		case err != nil:
			return err
		}
		for _, item := range page.Items {
			d := gjson.ParseBytes(item)
			v := versionOf(d, l.o.Collection)
			if v.ID = l.idOf(d); v.ID == "" {
				return fault.Newf(fault.TargetFailed, "the vault lists something else among the versions of %s", l.o.path())
			}
			if l.o.Collection == "secrets" && d.Get("managed").Bool() { // none that is wanted belongs to a certificate
				l.found, l.exists = found{Taken: true}, true
				return nil
			}
			if l.found.at(v.ID) >= 0 {
				continue // pages may move
			}
			if len(l.found.Versions) == maxVersions {
				l.found, l.exists = found{Large: true}, true
				return nil
			}
			l.found.Versions = append(l.found.Versions, foundVersion{version: v})
		}
	}
}

// idOf is the ID of a version in an answer, "" where it is of another object.
func (l *looking) idOf(d gjson.Result) string {
	id := d.Get("id").String()
	if l.o.Collection == "keys" {
		if id = d.Get("kid").String(); id == "" {
			id = d.Get("key.kid").String()
		}
	}
	path, ok := azure.PathAt(id, l.client.Host())
	prefix := l.o.path() + "/"
	if !ok || len(path) <= len(prefix) || !strings.EqualFold(path[:len(prefix)], prefix) {
		return ""
	}
	if own := strings.TrimSuffix(path[len(prefix):], "/"); versionPattern().MatchString(own) {
		return strings.Clone(own)
	}
	return ""
}

// each reads the bundle of every version.
func (l *looking) each(ctx context.Context, use func(i int, d gjson.Result)) error {
	for i, v := range l.found.Versions {
		answer, err := l.client.Get(ctx, l.o.path()+"/"+v.ID, l.o.API, nil)
		switch {
		case forbidden(err):
			return l.lacks("get of "+l.o.Collection, err)
		case err != nil:
			return err
		}
		use(i, gjson.ParseBytes(scan.Trim(answer.Body)))
	}
	return nil
}

// secret reads values, where IDs do not tell already that they are the backup's: a version
// never changes its value.
func (l *looking) secret(ctx context.Context) error {
	known := map[string]bool{}
	for _, v := range l.o.Versions {
		at := l.found.at(v.ID)
		if value, ok := l.values.Values[v.ID]; ok && at >= 0 {
			known[l.found.Versions[at].ID] = true
			l.found.Versions[at].Value = &value
		}
	}
	complete := len(known) == len(l.found.Versions) && len(known) == len(l.o.Versions)
	if complete && !l.o.Undo {
		return nil
	}
	answer, err := l.client.Get(ctx, l.o.path(), l.o.API, nil)
	switch {
	case err == nil:
		l.found.Current = l.idOf(gjson.ParseBytes(scan.Trim(answer.Body)))
	case !forbidden(err) && !errors.Is(err, azure.ErrNotFound): // the last version may be disabled
		return err
	}
	for i := range l.found.Versions {
		v := &l.found.Versions[i]
		if v.Value != nil || !v.Enabled {
			continue
		}
		answer, err := l.client.Get(ctx, l.o.path()+"/"+v.ID, l.o.API, nil)
		switch {
		case forbidden(err) && closed(err):
			continue
		case forbidden(err):
			return l.lacks("get of secrets", err)
		case err != nil:
			return err
		}
		value := gjson.GetBytes(scan.Trim(answer.Body), "value")
		if value.Type != gjson.String {
			return fault.Newf(fault.TargetFailed, "the vault gives no value of %s/%s", l.o.path(), v.ID)
		}
		if l.held += len(value.Str); l.held > maxValues {
			l.found = found{Large: true}
			return nil
		}
		text := strings.Clone(value.Str)
		v.Value = &text
	}
	return nil
}

// closed reports whether a refusal is about the version, and not about permissions.
func closed(err error) bool {
	inner := azure.SaidBy(err).Inner
	return slices.ContainsFunc([]string{"Disabled", "Expired", "NotYetValid"}, func(word string) bool { return strings.HasSuffix(inner, word) })
}

// gone looks for an object among the deleted ones, and for what else has a certificate's name.
func (l *looking) gone(ctx context.Context) error {
	_, err := l.client.Get(ctx, "/deleted"+l.o.Collection+"/"+l.o.Name, l.o.API, nil)
	switch {
	case err == nil:
		l.deleted = true
		return nil
	case !errors.Is(err, azure.ErrNotFound) && !errors.Is(err, azure.ErrRefused) && !forbidden(err): // not every vault keeps what is deleted
		return err
	}
	if l.o.Collection != "certificates" {
		return nil
	}
	for _, of := range []string{"keys", "secrets"} {
		pages := l.client.List("/"+of+"/"+l.o.Name+"/versions", l.o.API, url.Values{"maxresults": {"1"}})
		page, err := pages.Next(ctx)
		pages.Close()
		switch {
		case err == nil && len(page.Items) > 0:
			l.found, l.exists = found{Taken: true}, true
			return nil
		case err == nil, errors.Is(err, io.EOF), errors.Is(err, azure.ErrNotFound):
		case forbidden(err):
			return l.lacks("list of "+of, err)
		default:
			return err
		}
	}
	return nil
}

// settings reads an issuer or contacts.
func (l *looking) settings(ctx context.Context) error {
	permission := "getissuers of certificates"
	if l.o.Name == "" {
		permission = "managecontacts of certificates"
	}
	answer, err := l.client.Get(ctx, l.o.path(), l.o.API, nil)
	switch {
	case errors.Is(err, azure.ErrNotFound):
		return nil
	case forbidden(err):
		return l.lacks(permission, err)
	case err != nil:
		return err
	}
	d := gjson.ParseBytes(scan.Trim(answer.Body))
	l.exists = true
	if l.o.Name == "" {
		l.found.Contacts = contactsOf(d)
		slices.SortFunc(l.found.Contacts, func(a, b contact) int {
			return cmp.Or(strings.Compare(a.Email, b.Email), strings.Compare(a.Name, b.Name), strings.Compare(a.Phone, b.Phone))
		})
		l.exists = len(l.found.Contacts) > 0
		return nil
	}
	l.found.Settings = settingsOf(d)
	return nil
}
