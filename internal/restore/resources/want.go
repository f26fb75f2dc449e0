package resources

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/azure/scan"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/edge"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/resources/shape"
)

// read is an item with its document.
type read struct {
	restore.Item
	envelope resource.Envelope
	raw      []byte
	document shape.Object
	id       string // of the resource, as the stamp wrote it
}

// readItem reads an item and holds it to what a collector writes.
func readItem(item restore.Item) (read, error) {
	i := read{Item: item}
	data, err := item.Read(context.Background()) // of a backup: it has its own bounds
	if err != nil {
		return i, err
	}
	damaged := func(err error) error {
		return fault.New(fault.BackupDamaged, fmt.Sprintf("%s %s is not what a collector wrote", item.Kind, item.ID), err)
	}
	if err := scan.Document(data, scan.DefaultLimits); err != nil {
		return i, damaged(err)
	}
	if err := json.Unmarshal(data, &i.envelope); err != nil {
		return i, damaged(err)
	}
	i.raw = scan.Trim(i.envelope.Bytes())
	if err := scan.Document(i.raw, scan.DefaultLimits); err != nil {
		return i, damaged(err)
	}
	if i.document, err = shape.Decode(i.raw); err != nil {
		return i, damaged(err)
	}
	if i.id = plainID(item.ID, i.envelope.Endpoint); i.id == "" || i.envelope.APIVersion == "" {
		return i, damaged(fmt.Errorf("it has no ID or no api-version"))
	}
	if said := jsondoc.Text(i.raw, "id"); resourceid.Same(said, i.id) {
		i.id = resourceid.Normal(said)
	}
	return i, nil
}

// plainID is the resource's ID: that of an item may have the endpoint in front.
func plainID(id string, e azure.Endpoint) string {
	if rest, ok := strings.CutPrefix(id, "/"+string(e)+"/subscriptions/"); ok {
		return "/subscriptions/" + rest
	}
	return id
}

// Wants implements [restore.Restorer].
func (r *Restorer) Wants(items []restore.Item, m *mapping.Map) ([]restore.Want, []restore.Loss, error) {
	var wants []restore.Want
	var losses []restore.Loss
	lose := func(i restore.Item, code, detail string) {
		losses = append(losses, restore.Loss{Key: r.keyOf(i, m), Code: code, Detail: detail})
	}
	items = slices.Clone(items)
	slices.SortStableFunc(items, func(a, b restore.Item) int { return strings.Compare(a.Kind+" "+a.ID, b.Kind+" "+b.ID) })
	sharedKey := ""
	for _, item := range slices.Backward(items) { // a connection comes before its key, and needs it
		k, ok := kindOf(r.service, item.Kind)
		if !ok {
			n := neverOf(r.service, item.Kind)
			lose(item, n.code, n.detail)
			continue
		}
		i, err := readItem(item)
		if err != nil {
			return nil, nil, err
		}
		if item.Kind == "connection-shared-key" {
			sharedKey = jsondoc.Text(i.raw, "value")
		}
		if n := instead(i); n.code != "" {
			lose(item, n.code, n.detail)
			continue
		}
		if at := slices.IndexFunc(wants, func(w restore.Want) bool { return w.Kind == item.Kind }); at >= 0 && once[item.Kind] {
			lose(restore.Item{CatalogEntry: backup.CatalogEntry{Item: backup.Item{Kind: wants[at].Kind, ID: wants[at].ID}}}, "DUPLICATE", "it says the same as "+item.ID)
			wants = slices.Delete(wants, at, at+1)
		}
		want, ok, err := r.want(i, k, sharedKey, m)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			continue
		}
		wants = append(wants, want)
		for _, n := range partly(i) {
			lose(item, n.code, n.detail)
		}
		for _, member := range unknown(i, k) {
			lose(item, "UNKNOWN_MEMBER", "this version does not know "+member+" and does not send it; compare it by hand")
		}
	}
	slices.Reverse(wants)
	slices.Reverse(losses)
	return wants, losses, nil
}

// once are kinds of which a group has one want: its items say the same.
var once = map[string]bool{"role-definition": true, "role-assignment": true}

func (r *Restorer) keyOf(i restore.Item, m *mapping.Map) restore.Key {
	return restore.Key{Service: r.service, Kind: i.Kind, ID: inTarget(m, i.ID)}
}

// instead says why an item of a kind that is written is not.
func instead(i read) never {
	properties, _ := i.document["properties"].(shape.Object)
	switch i.Kind {
	case "provider":
		if state, _ := i.document["registrationState"].(string); !strings.EqualFold(state, "Registered") {
			return never{"DERIVED", "the subscription was not registered with the provider"}
		}
	case "role-definition":
		if kind, _ := properties["type"].(string); strings.EqualFold(kind, "BuiltInRole") {
			return never{"DERIVED", "it is built in, and the target has its own"}
		}
	case "user-subscription":
		if routing, _ := i.document["routingResourceManagerType"].(string); strings.EqualFold(routing, "Admin") {
			return never{"DERIVED", "it is the operator's own, which the target has"}
		}
	case "dns-record-set":
		lower := strings.ToLower(i.id)
		if strings.HasSuffix(lower, "/soa/@") || strings.HasSuffix(lower, "/ns/@") {
			return never{"DERIVED", "the zone makes it, with the target's servers"}
		}
	case "virtual-network-peering", "subnet":
		if i.document["properties"] == nil {
			return notYet
		}
	}
	return never{}
}

// partly says what of an item does not come back.
func partly(i read) []never {
	var all []never
	if identity, ok := i.document["identity"].(shape.Object); ok && text(identity, "principalId") != "" {
		all = append(all, never{"IDENTITY_NEW", "if it has to be made, its managed identity is another one; assign its roles and vault policies again"})
	}
	switch i.Kind {
	case "storage-account":
		all = append(all, never{"KEYS_NEW", "if it has to be made, its keys are new; give them to those that use the account"})
	case "public-ip-address":
		if text(i.document, "properties.ipAddress") != "" && strings.EqualFold(text(i.document, "properties.publicIPAllocationMethod"), "Static") {
			all = append(all, never{"ADDRESS_NEW", "if it has to be made, the service gives it another address than " + text(i.document, "properties.ipAddress") + "; tell name servers and firewalls"})
		}
	case "virtual-machine":
		all = append(all, never{"ATTACHED", "if it has to be made, its disks are attached: image, profile of the operating system, and the names and types that it gave its disks are not sent"})
	}
	return all
}

// want makes what the target should hold of an item; false when the target makes it by itself.
func (r *Restorer) want(i read, k kind, sharedKey string, m *mapping.Map) (restore.Want, bool, error) {
	t := target{Endpoint: i.envelope.Endpoint, Type: k.fullType, ID: inTarget(m, i.id), Version: i.envelope.APIVersion}
	if k.action {
		t.Body = shape.Object{"registrationState": "Registered"}
	} else {
		s := shape.Of(k.fullType)
		t.Body = s.Project(renamed(m, i.document), false)
		if k.prepare != nil && !(i.Kind == "disk" && !r.options.EmptyDisks) {
			k.prepare(r, t.Body)
		}
		if i.Kind == "connection" && sharedKey != "" {
			if properties, ok := t.Body["properties"].(shape.Object); ok {
				properties["sharedKey"] = sharedKey
			}
		}
		if k.initial != "" && isInitial(s, k, t.Body) {
			return restore.Want{}, false, nil
		}
	}
	body, err := t.encode()
	if err != nil {
		return restore.Want{}, false, err
	}
	w := restore.Want{Key: r.keyOf(i.Item, m), Name: i.Name, Stage: stageOf(i, k), Body: body, Fields: fieldsOf(t.Body), Needs: needs(i, k)}
	if k.within != "" {
		if parent, ok := edge.Parent(w.ID); ok {
			w.Within = restore.Key{Service: r.service, Kind: k.within, ID: parent}
		}
	}
	if i.Kind == "virtual-machine-extension" {
		w.Supplies = []string{"properties.protectedSettings"}
	}
	return w, true, nil
}

// stageOf is the stage of a kind, but for assignments of roles at resources, which come
// behind these.
func stageOf(i read, k kind) restore.Stage {
	if i.Kind == "role-assignment" && strings.Count(strings.ToLower(i.id), "/providers/") > 1 {
		return restore.StageResourceLinks
	}
	return k.stage
}

// needs are what has to be there first, in the names of the backup: what the document refers
// to, what it lies in, and the registration with its provider.
func needs(i read, k kind) []restore.Need {
	var all []restore.Need
	edges, _ := edge.Of(k.fullType, i.id, i.raw)
	for _, e := range edges {
		if e.Direction != edge.Need || e.Origin && !k.ordered {
			continue
		}
		// What a document can be written without is written after it all the same, where
		// that makes no circle: only networks have their peerings in them.
		soft := e.Strength == edge.Soft && !k.ordered || e.Service == backup.AD || i.Kind == "virtual-network" && e.Relation == "virtual-network"
		all = append(all, restore.Need{Service: e.Service, Target: strings.ToLower(e.Target), Relation: e.Relation, Soft: soft})
	}
	// What it lies in may be nothing that has to be restored, such as the services of a storage
	// account: then the one above counts.
	for above, ok := edge.Parent(i.id); ok; {
		if above, ok = edge.Parent(above); ok && strings.Contains(above, "/resourcegroups/") {
			all = append(all, restore.Need{Service: edge.ServiceOf(above), Target: strings.ToLower(above), Relation: edge.ParentRelation})
		}
	}
	if subscription := resourceid.Subscription(i.id); i.envelope.Endpoint == azure.Tenant && subscription != "" && !k.action {
		namespace, _, _ := strings.Cut(strings.ToLower(k.fullType), "/")
		if !strings.HasPrefix(namespace, "microsoft.resources") && !strings.HasPrefix(namespace, "microsoft.authorization") {
			all = append(all, restore.Need{Service: backup.ARM, Target: "/subscriptions/" + subscription + "/providers/" + namespace, Relation: "registration"})
		}
	}
	return all
}

// answered are members that answers have and bodies do not, by kind: definitions have two
// shapes for these.
var answered = map[string][]string{
	"storage-account": {"sku.tier", "properties.provisioningState", "properties.primaryEndpoints", "properties.primaryLocation", "properties.secondaryLocation", "properties.secondaryEndpoints",
		"properties.statusOfPrimary", "properties.statusOfSecondary", "properties.creationTime", "properties.lastGeoFailoverTime", "properties.privateEndpointConnections", "properties.failoverInProgress"},
	"role-assignment": {"properties.scope", "properties.createdOn", "properties.updatedOn", "properties.createdBy", "properties.updatedBy"},
	"role-definition": {"properties.createdOn", "properties.updatedOn", "properties.createdBy", "properties.updatedBy"},
}

// unknown are members of an item's document that are not sent although nothing says that they are the service's.
func unknown(i read, k kind) []string {
	if k.action {
		return nil
	}
	return slices.DeleteFunc(shape.Of(k.fullType).Unknown(i.document), func(path string) bool { return slices.Contains(answered[i.Kind], path) })
}
