package resource

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/resource/manager"
	"infrabackup/internal/fault"
)

// Unreadable says what to do about user subscriptions that the client cannot see.
type Unreadable string

// The choices.
const (
	UnreadableFails Unreadable = "fail" // the service fails: a short part must not look whole
	UnreadableIsGap Unreadable = "gap"  // each is a named gap
)

// compareSubscriptions makes sure that the client sees what the operator's resource
// manager knows of.
func (w *Walk) compareSubscriptions(ctx context.Context, tenant, admin *manager.Manager, choice Unreadable) error {
	if len(admin.Subscriptions) == 0 {
		return fault.Newf(fault.SourceAccessDenied, "client %s sees no subscription on %s: it needs the role Reader on the provider subscription",
			w.stamp.ClientID(), admin.Client.Host())
	}
	visible := map[string]bool{}
	listed := map[string]bool{}
	for _, s := range tenant.Subscriptions {
		visible[s.ID] = true
	}
	var missing []string
	remembered := 0
	defer func() { w.memory.Give(remembered) }()
	note := func(item []byte) error {
		id, err := azure.SubscriptionID(item, "list "+string(admin.Client.Endpoint())+" "+manager.UserSubscriptions)
		if err != nil {
			return err
		}
		if !listed[id] {
			if err := w.memory.Take(len(id) + 160); err != nil {
				return err
			}
			remembered += len(id) + 160
		}
		state := jsondoc.Text(item, "state")
		listed[id] = true
		if !visible[id] && !strings.HasPrefix(state, "Delet") {
			visible[id] = true
			missing = append(missing, id)
		}
		return nil
	}
	var refusal error
	answered := 0
	for _, s := range admin.Subscriptions {
		visible[s.ID] = true
	}
	for _, s := range admin.Subscriptions {
		switch err := admin.Users(ctx, s.ID, note); {
		case err == nil:
			answered++
		case refused(err):
			refusal = err
			w.withoutUsers(s.ID, err)
		default:
			return err
		}
	}
	if answered == 0 {
		return refusal
	}
	w.unlistedUsers(tenant, listed)
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	if choice != UnreadableIsGap {
		return fault.Newf(fault.SourceAccessDenied, "client %s cannot see %d of the stamp's user subscriptions (%s): it needs the role Reader on each",
			w.stamp.ClientID(), len(missing), shorten(missing))
	}
	for _, id := range missing {
		w.Gap(backup.Gap{Code: GapSubscription, Object: "/subscriptions/" + id, Reason: "The client of the worker has no role there; nothing of it was captured."})
	}
	return nil
}

// withoutUsers names an operator's subscription that refuses the list. Stamps have
// several, such as those for metering and consumption, and one of them has the users.
func (w *Walk) withoutUsers(subscription string, refusal error) {
	w.userless[subscription] = true
	namespace, _, _ := strings.Cut(manager.UserSubscriptions, "/")
	w.Gap(backup.Gap{Code: GapNotRegistered, Object: "/subscriptions/" + subscription + "/providers/" + namespace,
		Reason: "This subscription of the operator refused the list of user subscriptions (" + answerOf(refusal) + "), which another one gave; it was not read here."})
}

// isUserless reports whether a list lies in such a subscription, which has little else of
// the operator's either.
func (w *Walk) isUserless(l list) bool {
	return l.manager.Client.Endpoint() == azure.Admin && w.userless[l.subscription]
}

// unlistedUsers names subscriptions that users see and the operator's list lacks, for
// the service that captures that list.
func (w *Walk) unlistedUsers(tenant *manager.Manager, listed map[string]bool) {
	if !w.knows(manager.UserSubscriptions) {
		return
	}
	for _, s := range tenant.Subscriptions {
		if !listed[s.ID] {
			w.Gap(backup.Gap{Code: GapUnlisted, Object: "/subscriptions/" + s.ID, Reason: "Users see this subscription, and the operator's list of user subscriptions does not name it; the operator's document of it was not captured."})
		}
	}
}

// shorten names the first few.
func shorten(all []string) string {
	const few = 5
	if len(all) <= few {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:few], ", "), len(all)-few)
}
