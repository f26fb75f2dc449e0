package resources

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/azure/writer"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

const lockVersion = "2016-09-01"

// maxLocks bounds the locks of one subscription that are looked at.
const maxLocks = 10_000

// lock is one that the target has.
type lock struct {
	id, scope, level string // in lower case
}

// Check implements [restore.Restorer]: it looks for locks that forbid a step, and for names
// that others have.
func (r *Restorer) Check(ctx context.Context, steps []restore.Checked, m *mapping.Map) ([]restore.Refusal, error) {
	var refusals []restore.Refusal
	locks := map[string][]lock{}
	for _, s := range steps {
		t, _, err := r.opened(s.Want, m)
		if err != nil {
			return nil, err
		}
		client, err := r.client(t.Endpoint)
		if err != nil {
			return nil, err
		}
		if subscription := resourceid.Subscription(t.ID); subscription != "" && s.Want.Kind != "lock" {
			at := string(t.Endpoint) + subscription
			if _, known := locks[at]; !known {
				if locks[at], err = locksOf(ctx, client, subscription); err != nil {
					return nil, err
				}
			}
			if l, ok := forbids(locks[at], t.ID, s.Action); ok {
				refusals = append(refusals, restore.Refusal{Key: s.Want.Key, Code: "SCOPE_LOCKED", Detail: "the lock " + l.id + " forbids it; take it away first"})
				continue
			}
		}
		if s.Action != restore.Create {
			continue
		}
		taken, err := r.taken(ctx, t)
		if err != nil {
			return nil, err
		}
		if taken != "" {
			refusals = append(refusals, restore.Refusal{Key: s.Want.Key, Code: "NAME_TAKEN", Detail: "the target does not give the name: " + taken})
		}
	}
	return refusals, nil
}

// Lacks implements [restore.Prober]. What the target makes by itself it will have.
func (r *Restorer) Lacks(ctx context.Context, items []restore.Item, m *mapping.Map) (bool, error) {
	for _, item := range items {
		if _, written := kindOf(r.service, item.Kind); written || neverOf(r.service, item.Kind).code == "DERIVED" {
			return false, nil
		}
		i, err := readItem(item)
		if err != nil {
			return false, err
		}
		client, err := r.client(i.envelope.Endpoint)
		if err != nil {
			return false, err
		}
		_, err = client.Get(ctx, inTarget(m, i.id), i.envelope.APIVersion, nil)
		switch {
		case err == nil:
			return false, nil
		case !isAbsent(err) && !errors.Is(err, azure.ErrVersionRefused):
			return false, writer.Fault(err)
		}
	}
	return true, nil
}

// locksOf are the locks of a subscription.
func locksOf(ctx context.Context, client *azure.Client, subscription string) ([]lock, error) {
	all := []lock{}
	pages := client.List("/subscriptions/"+subscription+"/providers/Microsoft.Authorization/locks", lockVersion, nil)
	defer pages.Close()
	for {
		page, err := pages.Next(ctx)
		switch {
		case isEnd(err), isAbsent(err), errors.Is(err, azure.ErrVersionRefused):
			return all, nil
		case err != nil:
			return nil, writer.Fault(err)
		}
		for _, item := range page.Items {
			id := strings.ToLower(jsondoc.Text(item, "id"))
			scope, ok := scopeOf(id)
			if !ok {
				continue
			}
			all = append(all, lock{id, scope, strings.ToLower(jsondoc.Member(jsondoc.Member(gjson.ParseBytes(item), "properties"), "level").String())})
		}
		if len(all) > maxLocks {
			return nil, fault.Newf(fault.LimitExceeded, "subscription %s has more than %d locks", subscription, maxLocks)
		}
	}
}

func isEnd(err error) bool { return errors.Is(err, io.EOF) }

// forbids returns a lock that forbids an action.
func forbids(locks []lock, id string, action restore.Action) (lock, bool) {
	id = strings.ToLower(id)
	for _, l := range locks {
		covers := id == l.scope || strings.HasPrefix(id, l.scope+"/")
		if covers && (l.level == "readonly" || action == restore.Remove) {
			return l, true
		}
	}
	return lock{}, false
}

// asked are the actions that say whether a name can be had.
var asked = map[string]string{accountType: "Microsoft.Storage", vaultType: "Microsoft.KeyVault"}

// taken says why a name cannot be had, "" when it can or that cannot be asked.
func (r *Restorer) taken(ctx context.Context, t target) (string, error) {
	namespace := asked[t.Type]
	if namespace == "" {
		return "", nil
	}
	body, err := json.Marshal(map[string]string{"name": t.ID[strings.LastIndexByte(t.ID, '/')+1:], "type": t.Type})
	if err != nil {
		return "", fault.New(fault.Internal, "ask for the name of "+t.ID, err)
	}
	answer, err := r.writers[t.Endpoint].Post(ctx, "/subscriptions/"+resourceid.Subscription(t.ID)+"/providers/"+namespace+"/checkNameAvailability", t.Version, body)
	switch {
	case isAbsent(err), errors.Is(err, azure.ErrVersionRefused):
		return "", nil // the subscription comes with the restore, and the PUT tells
	case err != nil:
		return "", err
	}
	said := gjson.ParseBytes(answer)
	if available := jsondoc.Member(said, "nameAvailable"); !available.Exists() || available.Bool() {
		return "", nil
	}
	return jsondoc.Member(said, "message").String() + " (" + jsondoc.Member(said, "reason").String() + ")", nil
}
