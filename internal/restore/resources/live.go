package resources

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/azure/scan"
	"infrabackup/internal/azure/writer"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/resources/shape"
)

// notOffered stands in State.Tag for a target that does not have the type.
const notOffered = "not offered"

// Live implements [restore.Restorer].
func (r *Restorer) Live(ctx context.Context, want restore.Want, m *mapping.Map) (restore.State, error) {
	t, k, err := r.opened(want, m)
	if err != nil {
		return restore.State{}, err
	}
	client, err := r.client(t.Endpoint)
	if err != nil {
		return restore.State{}, err
	}
	absent := restore.State{Digest: restore.AbsentDigest}
	answer, err := client.Get(ctx, t.ID, t.Version, nil)
	switch {
	case errors.Is(err, azure.ErrVersionRefused):
		absent.Tag = notOffered
		return absent, nil
	case isAbsent(err):
		return r.elsewhere(ctx, client, t, want)
	case err != nil:
		return absent, writer.Fault(err)
	}
	return stateOf(k, scan.Trim(answer.Body), answer.ETag)
}

// opened takes a want apart, with accounts as the target has them. An undo puts back what the
// target had.
func (r *Restorer) opened(want restore.Want, m *mapping.Map) (target, kind, error) {
	k, ok := kindOf(r.service, want.Kind)
	if !ok {
		return target{}, k, fault.Newf(fault.Internal, "%s is wanted, and no kind that is written", want.Key)
	}
	t, err := decodeTarget(want.Body)
	if err != nil || m == nil || t.Exact {
		return t, k, err
	}
	t.Body, _ = assigned(m, "", t.Body).(shape.Object)
	if want.Kind == "vault" && k.prepare != nil {
		k.prepare(r, t.Body) // an account may be the restore's own
	}
	return t, k, nil
}

// Sent implements [restore.Renamer].
func (r *Restorer) Sent(want restore.Want, m *mapping.Map) ([]byte, error) {
	t, _, err := r.opened(want, m)
	if err != nil {
		return nil, err
	}
	return t.encode()
}

// stateOf is the state that a document shows.
func stateOf(k kind, document []byte, tag string) (restore.State, error) {
	absent := restore.State{Digest: restore.AbsentDigest}
	o, err := shape.Decode(document)
	if err != nil {
		return absent, fault.New(fault.TargetFailed, "an answer of the target", err)
	}
	live := projected(k, o, false)
	if k.action && !strings.EqualFold(text(live, "registrationState"), "Registered") || k.initial != "" && isInitial(shape.Of(k.fullType), k, live) {
		return absent, nil
	}
	canonical, err := json.Marshal(live)
	if err != nil {
		return absent, fault.New(fault.TargetFailed, "an answer of the target", err)
	}
	if failed(o) {
		canonical = append(canonical, " failed"...)
	}
	if tag == "" {
		tag = jsondoc.Text(document, "etag")
	}
	return restore.State{Exists: true, Document: document, Tag: tag, Digest: restore.Digest(canonical)}, nil
}

// projected is what counts of a live document.
func projected(k kind, o shape.Object, carried bool) shape.Object {
	if k.action {
		state, _ := o["registrationState"].(string)
		return shape.Object{"registrationState": state}
	}
	p := shape.Of(k.fullType).Project(o, carried)
	if k.compared != nil && !carried {
		k.compared(p)
	}
	return p
}

// failed reports whether the work on a resource failed.
func failed(o shape.Object) bool {
	return strings.EqualFold(text(o, "properties.provisioningState"), "Failed")
}

// isInitial reports whether a body says nothing but what the service makes by itself.
func isInitial(s *shape.Shape, k kind, body shape.Object) bool {
	initial, err := shape.Decode([]byte(k.initial))
	return err == nil && len(s.Differences(body, initial, false)) == 0
}

// elsewhere looks where else something can be that is not at its place: an assignment under
// another name, a vault among the deleted ones.
func (r *Restorer) elsewhere(ctx context.Context, client *azure.Client, t target, want restore.Want) (restore.State, error) {
	absent := restore.State{Digest: restore.AbsentDigest}
	switch {
	case want.Kind == "role-assignment" && !want.Absent:
		return r.sameTriple(ctx, client, t)
	case want.Kind == "vault":
		return r.deletedVault(ctx, client, t)
	}
	return absent, nil
}

// sameTriple looks for an assignment of the same role to the same principal at the same scope.
func (r *Restorer) sameTriple(ctx context.Context, client *azure.Client, t target) (restore.State, error) {
	absent := restore.State{Digest: restore.AbsentDigest}
	scope, ok := scopeOf(t.ID)
	if !ok {
		return absent, nil
	}
	principal, role := text(t.Body, "properties.principalId"), last(text(t.Body, "properties.roleDefinitionId"))
	pages := client.List(scope+"/providers/Microsoft.Authorization/roleAssignments", t.Version, url.Values{"$filter": {"principalId eq '" + strings.ReplaceAll(principal, "'", "''") + "'"}})
	defer pages.Close()
	for {
		page, err := pages.Next(ctx)
		switch {
		case errors.Is(err, io.EOF), isAbsent(err):
			return absent, nil
		case err != nil:
			return absent, writer.Fault(err)
		}
		for _, item := range page.Items {
			properties := jsondoc.Member(gjson.ParseBytes(item), "properties")
			said := func(name string) string { return jsondoc.Member(properties, name).String() }
			if strings.EqualFold(said("principalId"), principal) && last(said("roleDefinitionId")) == role && resourceid.Same(said("scope"), scope) {
				k, _ := kindOf(r.service, "role-assignment")
				return stateOf(k, append([]byte(nil), item...), "")
			}
		}
	}
}

// scopeOf is what an extension resource lies at.
func scopeOf(id string) (string, bool) {
	cut := strings.LastIndex(strings.ToLower(id), "/providers/microsoft.authorization/")
	if cut < 0 {
		return "", false
	}
	return id[:cut], true
}

// deletedVault looks for a vault among those that were deleted and can be recovered.
func (r *Restorer) deletedVault(ctx context.Context, client *azure.Client, t target) (restore.State, error) {
	absent := restore.State{Digest: restore.AbsentDigest}
	location := text(t.Body, "location")
	if location == "" {
		return absent, nil
	}
	path := "/subscriptions/" + resourceid.Subscription(t.ID) + "/providers/Microsoft.KeyVault/locations/" + location + "/deletedVaults/" + t.ID[strings.LastIndexByte(t.ID, '/')+1:]
	answer, err := client.Get(ctx, path, t.Version, nil)
	switch {
	case isAbsent(err), errors.Is(err, azure.ErrVersionRefused), errors.Is(err, azure.ErrForbidden): // older services do not have it
		return absent, nil
	case err != nil:
		return absent, writer.Fault(err)
	}
	document := scan.Trim(answer.Body)
	properties := jsondoc.Member(gjson.ParseBytes(document), "properties")
	of := jsondoc.Member(properties, "vaultId").String()
	return restore.State{Deleted: true, Document: document, Digest: restore.Digest([]byte("deleted " + resourceid.Key(of)))}, nil
}
