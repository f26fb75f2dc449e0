package vault

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/writer"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

// Waiting for an object that is recovered or deleted: a vault answers at once and does it
// behind that.
const (
	maxPolls = 30
	poll     = 2 * time.Second
)

// Write implements [restore.Restorer].
func (r *Restorer) Write(ctx context.Context, want restore.Want, verdict restore.Verdict, live restore.State, m *mapping.Map) error {
	if !wanted(want.Kind) {
		return r.options.Rest.Write(ctx, want, verdict, live, m)
	}
	o, v, err := decode(want.Body, want.Payload)
	if err != nil {
		return fault.New(fault.Internal, "what is wanted", err)
	}
	at, err := r.open(ctx, o)
	if err != nil {
		return err
	}
	if at == nil {
		return fault.Newf(fault.TargetRefused, "the vault %s is not there", o.Vault)
	}
	o.API = at.version
	w := &writing{restorer: r, resources: writer.New(at.client, r.options.Writing), o: o, values: v}
	if want.Absent {
		return w.remove(ctx, want)
	}
	is, ok := foundOf(live)
	if !ok {
		return fault.Newf(fault.Internal, "the state of %s cannot be read", want.Key)
	}
	tasks, refused := o.tasks(is, live.Exists, live.Deleted, v)
	if refused != nil {
		return fault.Newf(fault.TargetRefused, "%s: %s", refused.code, refused.detail)
	}
	if slices.ContainsFunc(tasks, func(t task) bool { return t.what == recover }) {
		if live, err = w.recover(ctx, want); err != nil {
			return err
		}
		if is, ok = foundOf(live); !ok {
			return fault.Newf(fault.Internal, "the state of %s cannot be read", want.Key)
		}
		if tasks, refused = o.tasks(is, live.Exists, live.Deleted, v); refused != nil {
			return fault.Newf(fault.TargetRefused, "%s: it was recovered, and %s", refused.code, refused.detail)
		}
	}
	for _, t := range tasks {
		if err := w.do(ctx, t, is); err != nil {
			return w.done(ctx, want, err)
		}
	}
	return nil
}

// done passes over a conflict with what an earlier try of the same write has made meanwhile:
// its request can have been on its way still when the object was read.
func (w *writing) done(ctx context.Context, want restore.Want, refused error) error {
	var said *refusal
	if !errors.As(refused, &said) || said.said.Status != http.StatusConflict {
		return refused
	}
	if s, err := w.restorer.Live(ctx, want, nil); err == nil && w.restorer.Verdict(want, s, nil).Same {
		return nil
	}
	return refused
}

// writing is the writing of one object.
type writing struct {
	restorer  *Restorer
	resources *writer.Resources
	o         object
	values    values
}

// do sends what a task asks for.
func (w *writing) do(ctx context.Context, t task, live found) error {
	switch t.what {
	case unseal:
		return w.unseal(ctx)
	case add:
		return w.add(ctx, w.o.Versions[t.version])
	case adjust:
		return w.adjust(ctx, t.at, w.o.Versions[t.version])
	case retire:
		return w.send(ctx, http.MethodPatch, w.o.path()+"/"+t.at, map[string]any{"attributes": map[string]any{"enabled": false}})
	case setPolicy:
		return w.send(ctx, http.MethodPatch, w.o.path()+"/policy", w.o.Policy)
	case settle:
		return w.settle(ctx, live)
	}
	return fault.Newf(fault.Internal, "nothing is known of step %d of %s", t.what, w.o.path())
}

// send sends a body that has no value in it.
func (w *writing) send(ctx context.Context, method, path string, body any) error {
	data, err := encode(path, body)
	if err != nil {
		return fault.New(fault.Internal, "a request", err)
	}
	_, err = w.resources.Set(ctx, method, path, w.o.API, data)
	return w.needed(err, method, path)
}

// secretly sends a body with values. Of a refusal it gives what is known to have none.
func (w *writing) secretly(ctx context.Context, method, path string, body map[string]any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fault.Newf(fault.Internal, "a request to %s cannot be encoded", path)
	}
	_, err = w.resources.Set(ctx, method, path, w.o.API, data)
	return w.needed(quiet(err, strings.ToLower(method)+" "+path), method, path)
}

// needed adds to a refusal for want of a permission which one that is.
func (w *writing) needed(err error, method, path string) error {
	f, ok := fault.Of(err)
	if !ok || f.Code != fault.TargetAccessDenied {
		return err
	}
	of, permission := strings.TrimPrefix(strings.SplitN(w.o.Collection, "/", 2)[0], "/"), "update"
	last := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case w.o.Collection == "certificates/contacts":
		permission = "managecontacts"
	case w.o.Collection == "certificates/issuers" && method == http.MethodDelete:
		permission = "deleteissuers"
	case w.o.Collection == "certificates/issuers":
		permission = "setissuers"
	case method == http.MethodDelete:
		permission = "delete"
	case method == http.MethodPost && (last == "restore" || last == "import" || last == "recover"):
		permission = last
	case of == "secrets":
		permission = "set"
	}
	return fault.New(f.Code, "the restore's account lacks "+permission+" of "+of+" in "+w.o.Vault+", which an access policy of the vault has to allow", err)
}

// words are those of a vault that are repeated: its own text could quote what was sent.
var words = []string{"BadParameter", "Forbidden", "Conflict", "Unauthorized", "Throttled", "NotFound", "InternalServerError", "InternalError", "SecretNotFound", "KeyNotFound", "CertificateNotFound",
	"AccessDenied", "ForbiddenByPolicy", "ForbiddenByRbac", "ForbiddenByFirewall", "ForbiddenByConnection", "ObjectIsDeletedButRecoverable", "ObjectIsBeingDeleted", "ObjectIsBeingRecovered", "ObjectIsManaged", "NameInUse", "VaultNotFound"}

// refusal is what is told of a refusal: its status, and codes that are known.
type refusal struct {
	said azure.AnswerError
	text string
}

// Error implements error.
func (r *refusal) Error() string { return r.text }

// quiet leaves out of an error what a vault has said in its own words.
func quiet(err error, what string) error {
	said := azure.SaidBy(err)
	f, ok := fault.Of(err)
	if err == nil || said.Status == 0 || !ok {
		return err
	}
	text := "the vault answered " + http.StatusText(said.Status)
	for _, word := range []string{said.Code, said.Inner} {
		if slices.Contains(words, word) {
			text += " " + word
		}
	}
	told := fault.New(f.Code, what, &refusal{said, text})
	told.RetryAfter = f.RetryAfter
	return told
}

// unseal restores a backup blob. A secret whose blob the vault does not take is made of its
// values.
func (w *writing) unseal(ctx context.Context) error {
	err := w.secretly(ctx, http.MethodPost, "/"+w.o.Collection+"/restore", map[string]any{"value": w.values.Blob})
	var said *refusal
	if !errors.As(err, &said) || said.said.Status != http.StatusBadRequest {
		return err
	}
	if w.o.Collection != "secrets" || len(w.o.Versions) == 0 {
		return fault.New(fault.TargetRefused, "BLOB_REFUSED: the vault does not take the backup blob of "+w.o.path()+", which was made in another stamp, subscription or geography; who made it has to supply it again", err)
	}
	for _, v := range w.o.Versions {
		if err := w.add(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

// attributes are those of a version in a request. What is not set is not sent.
func (v version) attributes() map[string]any {
	a := map[string]any{"enabled": v.Enabled}
	if v.NotBefore != 0 {
		a["nbf"] = v.NotBefore
	}
	if v.Expires != 0 {
		a["exp"] = v.Expires
	}
	return a
}

// tags are those of a version in a request: none are sent as such.
func (v version) tags() map[string]string {
	if v.Tags == nil {
		return map[string]string{}
	}
	return v.Tags
}

// add sets a version of a secret, or imports one of a certificate, in one request.
func (w *writing) add(ctx context.Context, v version) error {
	value, ok := w.values.Values[v.ID]
	if !ok {
		return fault.Newf(fault.Internal, "there is no value of %s/%s", w.o.path(), v.ID)
	}
	body := map[string]any{"value": value, "attributes": v.attributes()}
	if len(v.Tags) > 0 {
		body["tags"] = v.Tags
	}
	if w.o.Collection == "certificates" {
		if w.o.Policy != nil {
			body["policy"] = w.o.Policy
		}
		return w.secretly(ctx, http.MethodPost, w.o.path()+"/import", body)
	}
	if v.ContentType != "" {
		body["contentType"] = v.ContentType
	}
	return w.secretly(ctx, http.MethodPut, w.o.path(), body)
}

// adjust changes attributes and tags of a version.
func (w *writing) adjust(ctx context.Context, at string, v version) error {
	body := map[string]any{"attributes": v.attributes(), "tags": v.tags()}
	switch {
	case w.o.Collection == "secrets":
		body["contentType"] = v.ContentType
	case w.o.Collection == "keys" && v.Operations != nil:
		body["key_ops"] = v.Operations
	}
	return w.send(ctx, http.MethodPatch, w.o.path()+"/"+at, body)
}

// settle puts an issuer or contacts. An issuer that is there is changed, since a PUT would
// take its password away; contacts that are there stay.
func (w *writing) settle(ctx context.Context, live found) error {
	if w.o.Name != "" {
		method := http.MethodPut
		if live.Settings != nil {
			method = http.MethodPatch
		}
		return w.send(ctx, method, w.o.path(), w.o.Settings)
	}
	all := slices.Clone(w.o.Contacts)
	for _, c := range live.Contacts {
		same := func(other contact) bool { return other == c || c.Email != "" && other.Email == c.Email }
		if !w.o.Undo && !slices.ContainsFunc(all, same) {
			all = append(all, c)
		}
	}
	return w.send(ctx, http.MethodPut, w.o.path(), map[string]any{"contacts": all})
}

// recover brings a deleted object back, and waits until it is there.
func (w *writing) recover(ctx context.Context, want restore.Want) (restore.State, error) {
	if _, err := w.resources.Post(ctx, "/deleted"+w.o.Collection+"/"+w.o.Name+"/recover", w.o.API, nil); err != nil {
		return restore.State{}, w.needed(err, http.MethodPost, "/recover")
	}
	return w.until(ctx, want, func(s restore.State) bool { return s.Exists })
}

// remove deletes what a restore made. It is not purged.
func (w *writing) remove(ctx context.Context, want restore.Want) error {
	_, err := w.resources.Set(ctx, http.MethodDelete, w.o.path(), w.o.API, nil)
	if err != nil && !errors.Is(err, azure.ErrNotFound) {
		return w.needed(err, http.MethodDelete, w.o.path())
	}
	_, err = w.until(ctx, want, func(s restore.State) bool { return !s.Exists })
	return err
}

// until reads an object until it is as a request leaves it.
func (w *writing) until(ctx context.Context, want restore.Want, done func(restore.State) bool) (restore.State, error) {
	for range maxPolls {
		s, err := w.restorer.Live(ctx, want, nil)
		if err != nil || done(s) {
			return s, err
		}
		if err := w.restorer.sleep(ctx, poll); err != nil {
			return s, err
		}
	}
	return restore.State{}, fault.Newf(fault.TargetFailed, "%s is not as it was asked to be after %s", w.o.path(), maxPolls*poll)
}
