package resources

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/writer"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/resources/shape"
)

// Write implements [restore.Restorer].
func (r *Restorer) Write(ctx context.Context, want restore.Want, verdict restore.Verdict, live restore.State, m *mapping.Map) error {
	t, k, err := r.opened(want, m)
	if err != nil {
		return err
	}
	w := r.writers[t.Endpoint]
	if w == nil {
		return fault.Newf(fault.TargetNotConfigured, "the target has no endpoint %q", t.Endpoint)
	}
	switch {
	case k.action:
		return r.register(ctx, w, t, want.Absent)
	case want.Absent:
		return r.remove(ctx, w, t, k, live)
	case want.Kind == "role-assignment":
		return r.assign(ctx, w, t)
	case verdict.Action == restore.Undelete:
		recover := shape.Of(k.fullType).Project(t.Body, false)
		if properties, ok := recover["properties"].(shape.Object); ok {
			properties["createMode"] = "recover"
		}
		if err := r.put(ctx, w, t, recover, writer.Match{}); err != nil {
			return err
		}
		if live, err = r.Live(ctx, want, m); err != nil {
			return err
		}
	}
	body, err := sent(k, t, live)
	if err != nil {
		return fault.New(fault.TargetRefused, "the body of "+t.ID, err)
	}
	if k.finish != nil {
		k.finish(body)
	}
	match := writer.Match{}
	if k.conditional {
		match = writer.Match{Absent: !live.Exists, ETag: live.Tag}
	}
	return r.put(ctx, w, t, body, match)
}

// sent is the body of a PUT: what is wanted, and what is there and stays.
func sent(k kind, t target, live restore.State) (shape.Object, error) {
	s := shape.Of(k.fullType)
	if !live.Exists || k.fullType == "Microsoft.Network/connections/sharedkey" {
		return t.Body, nil
	}
	o, err := shape.Decode(live.Document)
	if err != nil {
		return nil, err
	}
	return s.Merge(t.Body, s.Project(o, true), t.Exact), nil
}

// busy are codes of refusals that pass when what goes on is done.
var busy = []string{"AnotherOperationInProgress", "RetryableError", "OperationPreempted", "ReferencedResourceNotProvisioned", "StorageAccountOperationInProgress"}

// Tries while the target is busy.
const (
	maxBusy  = 30
	busyWait = 5 * time.Second
)

func (r *Restorer) put(ctx context.Context, w *writer.Resources, t target, body shape.Object, match writer.Match) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fault.New(fault.Internal, "the body of "+t.ID, err)
	}
	return r.patiently(ctx, func() error { return w.Put(ctx, t.ID, t.Version, data, match) })
}

// patiently does something again while the target is busy with the same resource.
func (r *Restorer) patiently(ctx context.Context, do func() error) error {
	for tries := 0; ; tries++ {
		err := do()
		if err == nil || tries == maxBusy || !slices.Contains(busy, azure.SaidBy(err).Code) {
			return err
		}
		if err := r.sleep(ctx, busyWait); err != nil {
			return err
		}
	}
}

// remove deletes what a restore made.
func (r *Restorer) remove(ctx context.Context, w *writer.Resources, t target, k kind, live restore.State) error {
	if k.fullType == "Microsoft.Resources/resourceGroups" {
		if err := r.holdsNothing(ctx, t); err != nil {
			return err
		}
	}
	match := writer.Match{}
	if k.conditional {
		match.ETag = live.Tag
	}
	return r.patiently(ctx, func() error { return w.Delete(ctx, t.ID, t.Version, match) })
}

// holdsNothing refuses to delete a group that something lies in: it would go with it.
func (r *Restorer) holdsNothing(ctx context.Context, t target) error {
	client, err := r.client(t.Endpoint)
	if err != nil {
		return err
	}
	pages := client.List(t.ID+"/resources", t.Version, nil)
	defer pages.Close()
	page, err := pages.Next(ctx)
	switch {
	case err == nil && len(page.Items) > 0:
		return fault.Newf(fault.TargetRefused, "the group %s holds %s, which the restore did not make or could not take back", t.ID, jsondoc.Text(page.Items[0], "id"))
	case err == nil, isAbsent(err), isEnd(err):
		return nil
	}
	return writer.Fault(err)
}

// register registers a subscription with a provider, or takes that back, and waits for it.
func (r *Restorer) register(ctx context.Context, w *writer.Resources, t target, absent bool) error {
	action, want := "/register", "Registered"
	if absent {
		action, want = "/unregister", ""
	}
	if _, err := w.Post(ctx, t.ID+action, t.Version, nil); err != nil {
		return err
	}
	client, err := r.client(t.Endpoint)
	if err != nil {
		return err
	}
	for range maxBusy {
		answer, err := client.Get(ctx, t.ID, t.Version, nil)
		if err != nil {
			return writer.Fault(err)
		}
		state := jsondoc.Text(answer.Body, "registrationState")
		if strings.EqualFold(state, want) || absent && !strings.EqualFold(state, "Registered") && !strings.EqualFold(state, "Unregistering") {
			return nil
		}
		if err := r.sleep(ctx, busyWait); err != nil {
			return err
		}
	}
	return fault.Newf(fault.TargetFailed, "%s is not registered after %s", t.ID, maxBusy*busyWait)
}

// assign puts a role assignment. A principal that was made a moment ago may be unknown for a
// while. An equal assignment under another name is as good.
func (r *Restorer) assign(ctx context.Context, w *writer.Resources, t target) error {
	for waited := time.Duration(0); ; waited += principalPoll {
		err := r.put(ctx, w, t, t.Body, writer.Match{})
		said := azure.SaidBy(err)
		switch {
		case said.Status == http.StatusConflict && said.Code == "RoleAssignmentExists":
			return nil // the caller reads it
		case said.Code != "PrincipalNotFound" || waited >= r.patience:
			return err
		}
		if err := r.sleep(ctx, principalPoll); err != nil {
			return err
		}
	}
}
