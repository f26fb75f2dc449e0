package resource

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/resource/manager"
	"infrabackup/internal/fault"
)

// answerOf is how the stamp refused, for the reason of a gap: no words of its own.
func answerOf(err error) string {
	said := azure.SaidBy(err)
	if said.Code == "" {
		return fmt.Sprint(said.Status)
	}
	return fmt.Sprintf("%d %.60q", said.Status, said.Code)
}

// unlisted decides about a collection that the stamp does not list. A gap says what was
// asked and answered; what an answer claims about something else, such as a group that
// should be gone, is asked for.
func (w *Walk) unlisted(ctx context.Context, f fetched) error {
	if !refused(f.err) && !errors.Is(f.err, ErrAnswer) {
		return f.err
	}
	code := azure.SaidBy(f.err).Code
	switch {
	case code == "SubscriptionNotFound" || code == "ResourceGroupNotFound":
		there, container, err := w.container(ctx, f, code)
		if err != nil {
			return err
		}
		if !there {
			w.Vanished(f.manager.Client.Endpoint(), container)
			w.claim(f.manager, container)
			w.asked(f.list)
			return nil
		}
	case errors.Is(f.err, azure.ErrNotRegistered):
		w.Gap(backup.Gap{Code: GapNotRegistered, Object: "/subscriptions/" + resourceid.Subscription(f.path) + "/providers/" + f.row.namespace(),
			Reason: "The subscription is not registered for this provider, which refused its lists; they were not read."})
		w.asked(f.list)
		return nil
	}
	if f.parent == "" && w.isUserless(f.list) {
		w.refusedList(f)
		w.asked(f.list)
		return nil
	}
	if f.parent == "" && f.row.Scope == InGroup && errors.Is(f.err, azure.ErrConflict) { // the group is being deleted, for example
		if !f.again {
			return w.askAgain(ctx, f.list)
		}
		w.refusedList(f)
		w.asked(f.list)
		return nil
	}
	if f.parent != "" && !f.notOffered() {
		switch _, err := w.parentOf(ctx, f); {
		case notFound(err):
			w.vanish(f.manager.Client.Endpoint(), f.row.Parent, f.parent)
			w.asked(f.list)
			return nil
		case err != nil && !refused(err) && !errors.Is(err, ErrAnswer):
			return err
		}
		if !f.again { // it may have passed meanwhile, as a machine that is being changed
			return w.askAgain(ctx, f.list)
		}
	}
	switch {
	case !f.offered && (f.parent == "" || f.row.Optional || f.notOffered()):
		w.Gap(backup.Gap{Code: GapTypeNotOffered, Object: f.row.Type, Reason: "This stamp does not offer it to the " + string(f.manager.Client.Endpoint()) + " endpoint."})
	case f.row.Optional || f.parent != "":
		w.refusedList(f)
	case errors.Is(f.err, ErrAnswer) && f.row.Single:
		w.Gap(backup.Gap{Code: GapAnswer, Object: f.path, Reason: "The stamp answered, each time, with what is not the document that was requested; it was not captured."})
	default:
		return f.err
	}
	w.asked(f.list)
	return nil
}

// askAgain reads a list that was refused, once more.
func (w *Walk) askAgain(ctx context.Context, l list) error {
	l.again = true
	return w.collection(ctx, w.begin(ctx, l))
}

func (w *Walk) refusedList(f fetched) {
	w.Gap(backup.Gap{Code: GapCollectionRefused, Object: f.path, Reason: "The stamp refused to list " + f.row.Type + " here (" + answerOf(f.err) + "); what it holds was not captured."})
}

// notOffered reports whether the stamp says that it has no such type, in its offers as
// well as in its answer.
func (f fetched) notOffered() bool {
	if f.offered {
		return false
	}
	return errors.Is(f.err, azure.ErrVersionRefused) || slices.Contains([]string{"InvalidResourceType", "NoRegisteredProviderFound", "InvalidResourceNamespace"}, azure.SaidBy(f.err).Code)
}

// container asks whether what an answer says is gone is there, and gives its path.
func (w *Walk) container(ctx context.Context, f fetched, code string) (bool, string, error) {
	path := resourceid.Normal(f.path)
	subscription := resourceid.Subscription(path)
	group := resourceid.Group(path)
	if code == "SubscriptionNotFound" || group == "" {
		container := "/subscriptions/" + subscription
		if !w.checks(checkContainer) {
			return false, container, nil
		}
		there, err := f.manager.HasSubscription(ctx, subscription)
		return there, container, err
	}
	if !w.checks(checkContainer) {
		return false, group, nil
	}
	there, err := w.hasGroup(ctx, f.manager, group)
	return there, group, err
}

// claim is something that a gap says is gone.
type claim struct {
	manager   *manager.Manager
	container string
}

// parentOf reads the resource below which a list lies.
func (w *Walk) parentOf(ctx context.Context, f fetched) (Resource, error) {
	if f.row.Scope != InParent {
		// A scope of any type: its own list of resources named it.
		version := ""
		fullType := resourceid.Type(f.parent)
		if choice, ok := f.manager.Offers(resourceid.Subscription(f.parent)).Choose(fullType, nil); ok {
			version = choice.Version
		} else if choice, ok := f.manager.Anywhere.Choose(fullType, nil); ok {
			version = choice.Version
		} else {
			return Resource{}, nil
		}
		return w.get(ctx, f.manager, fullType, f.parent, version)
	}
	for i := range w.table.Types {
		if row := &w.table.Types[i]; row.Kind == f.row.Parent && row.on(f.manager.Client.Endpoint()) {
			version, _ := f.manager.Choose(row.Type, row.Versions, resourceid.Subscription(resourceid.Normal(f.parent)), "")
			return w.get(ctx, f.manager, row.Type, f.parent, version)
		}
	}
	return Resource{}, fault.Newf(fault.Internal, "row %s has no parent row %s", f.row.Type, f.row.Parent)
}

// notFound reports whether a fault says that something is not there.
func notFound(err error) bool { return errors.Is(err, azure.ErrNotFound) }

// refused reports whether a fault says that a collection cannot be listed.
func refused(err error) bool {
	return errors.Is(err, azure.ErrNotFound) || errors.Is(err, azure.ErrRefused) || errors.Is(err, azure.ErrVersionRefused)
}

// unreadable reports whether a fault is the stamp's answer about one list, and not the
// end of the capture.
func unreadable(err error) bool {
	if _, sunk := errors.AsType[sinkError](err); sunk {
		return false
	}
	f, ok := fault.Of(err)
	return ok && slices.Contains([]fault.Code{fault.SourceFailed, fault.SourceInvalid, fault.SourceAccessDenied, fault.SourceIncomplete, fault.SourceInconsistent}, f.Code)
}

// sinkError is of what takes items, and says nothing about the stamp.
type sinkError struct{ error }

func (s sinkError) Unwrap() error { return s.error }
