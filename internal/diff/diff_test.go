package diff_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff"
	"infrabackup/internal/diff/directory"
	docs "infrabackup/internal/diff/document"
	"infrabackup/internal/fault"
)

const (
	sub = "/subscriptions/3b0b6f4e-0000-4000-8000-000000000001"
	rg  = sub + "/resourceGroups/g"
)

// vnet and its subnet, as two items.
func vnet(group, name, guid, prefix string) []thing {
	id := sub + "/resourceGroups/" + group + "/providers/Microsoft.Network/virtualNetworks/" + name
	subnet := object{"id": id + "/subnets/s", "name": "s", "etag": "1", "properties": object{"addressPrefix": prefix, "provisioningState": "Succeeded"}}
	return []thing{
		document(backup.NRP, "virtual-network", id, object{"id": id, "name": name, "etag": "1", "location": "local", "properties": object{"resourceGuid": guid, "subnets": []any{subnet}}}),
		document(backup.NRP, "subnet", id+"/subnets/s", subnet),
	}
}

// nic refers to a subnet.
func nic(name, subnet string) thing {
	id := rg + "/providers/Microsoft.Network/networkInterfaces/" + name
	return document(backup.NRP, "network-interface", id, object{"id": id, "properties": object{"resourceGuid": "guid-of-" + name, "ipConfigurations": []any{
		object{"name": "c", "properties": object{"subnet": object{"id": subnet}, "privateIPAllocationMethod": "Dynamic"}},
	}}})
}

func TestEqualPartsAreNotRead(t *testing.T) {
	a := &world{name: "A"}
	for _, one := range vnet("g", "v", "guid-1", "10.0.0.0/24") {
		a.put(one)
	}
	x, y := build(t, a), build(t, a.clone())
	r := run(t, x, y, diff.Options{})
	require.True(t, r.Same)
	require.Empty(t, changes(r))
	require.True(t, r.Access.Computed)
	require.Empty(t, slices.Concat(x.opened, y.opened))
	require.EqualValues(t, 2, r.Services[slices.Index(backup.Services(), backup.NRP)].Equal)

	// Only what differs is read, and only that.
	b := a.clone()
	b.put(nic("n", rg+"/x"))
	y = build(t, b)
	r = run(t, x, y, diff.Options{})
	require.False(t, r.Same)
	require.Equal(t, []string{"added network-interface " + strings.ToLower(rg) + "/providers/microsoft.network/networkinterfaces/n {}"}, changes(r))
	require.Zero(t, x.read)
	require.Equal(t, 1, y.read)
}

func TestAddedRemovedAndChanged(t *testing.T) {
	a, b := &world{name: "A"}, &world{name: "B"}
	for _, one := range append(vnet("g", "v", "guid-1", "10.0.0.0/24"), vnet("g", "w", "guid-2", "10.1.0.0/24")...) {
		a.put(one)
	}
	for _, one := range append(vnet("g", "v", "guid-1", "10.9.0.0/24"), vnet("g", "x", "guid-3", "10.2.0.0/24")...) {
		b.put(one)
	}
	base := strings.ToLower(rg) + "/providers/microsoft.network/virtualnetworks/"
	r := compare(t, a, b, diff.Options{})
	require.Equal(t, []string{
		"added subnet " + base + "x/subnets/s {}", "added virtual-network " + base + "x {}",
		"changed subnet " + base + "v/subnets/s {changed properties.addressPrefix -10.0.0.0/24 +10.9.0.0/24}",
		"removed subnet " + base + "w/subnets/s {}", "removed virtual-network " + base + "w {}",
	}, changes(r))
	s := r.Services[slices.Index(backup.Services(), backup.NRP)]
	require.EqualValues(t, []int64{4, 4, 0, 1, 2, 2, 1, 0}, []int64{s.ItemsA, s.ItemsB, s.Equal, s.Alike, s.Added, s.Removed, s.Changed, s.Moved})
	require.EqualValues(t, 1, ignoredOf(r, backup.NRP)[docs.ReasonOwnItem])
}

// TestWhatIsKeptIsBounded: what does not fit is left out and counted, and the totals are those of all.
func TestWhatIsKeptIsBounded(t *testing.T) {
	a, b := &world{name: "A"}, &world{name: "B"}
	for i := range 50 {
		name := fmt.Sprint("v", i)
		for _, one := range vnet("g", name, "guid-"+name, fmt.Sprintf("10.0.%d.0/24", i)) {
			a.put(one)
		}
		for _, one := range vnet("g", name, "guid-"+name, fmt.Sprintf("10.1.%d.0/24", i)) {
			b.put(one)
		}
	}
	of := func(o diff.Options) (listed, left, details, more int64) {
		t.Helper()
		s := compare(t, a, b, o).Services[slices.Index(backup.Services(), backup.NRP)]
		require.EqualValues(t, 50, s.Changed)
		for _, c := range s.Changes {
			details, more = details+int64(len(c.Details)), more+c.More
		}
		return int64(len(s.Changes)), s.NotListed, details, more
	}
	all := func(o diff.Options) []int64 {
		listed, left, details, more := of(o)
		return []int64{listed, left, details, more}
	}
	require.Equal(t, []int64{50, 0, 50, 0}, all(diff.Options{}))
	require.Equal(t, []int64{10, 40, 10, 0}, all(diff.Options{Listed: 10}))
	listed, left, details, more := of(diff.Options{DetailBytes: 2000})
	require.Equal(t, []int64{50, 0, 50}, []int64{listed, left, details + more})
	require.Positive(t, details)
	require.Less(t, details, int64(20))
}

// TestMoved: what was moved is found again, with what lies below it, and what refers to it has
// not changed for that.
func TestMoved(t *testing.T) {
	a, b := &world{name: "A"}, &world{name: "B"}
	for i, w := range []*world{a, b} {
		group := []string{"g", "other"}[i]
		for _, one := range vnet(group, "v", "guid-1", "10.0.0.0/24") {
			w.put(one)
		}
		w.put(nic("n", sub+"/resourceGroups/"+group+"/providers/Microsoft.Network/virtualNetworks/v/subnets/s"))
		w.put(nic([]string{"old", "new"}[i], "/x"))
		lock := sub + "/resourceGroups/" + group + "/providers/Microsoft.Network/virtualNetworks/v/providers/Microsoft.Authorization/locks/l"
		w.put(document(backup.ARM, "lock", lock, object{"id": lock, "properties": object{"level": "ReadOnly"}}))
	}
	// The interface that is called otherwise keeps its GUID.
	b.find(t, strings.ToLower(rg)+"/providers/microsoft.network/networkinterfaces/new").data =
		enveloped("2018-11-01", encode(object{"id": rg + "/providers/Microsoft.Network/networkInterfaces/new", "properties": object{"resourceGuid": "guid-of-old", "ipConfigurations": []any{
			object{"name": "c", "properties": object{"subnet": object{"id": "/x"}, "privateIPAllocationMethod": "Static"}},
		}}}))
	base := strings.ToLower(sub) + "/resourcegroups/"
	r := compare(t, a, b, diff.Options{})
	require.Equal(t, []string{
		"moved virtual-network " + base + "other/providers/microsoft.network/virtualnetworks/v from " + base + "g/providers/microsoft.network/virtualnetworks/v {}",
		"renamed network-interface " + base + "g/providers/microsoft.network/networkinterfaces/new from " + base + "g/providers/microsoft.network/networkinterfaces/old from name old " +
			"{changed properties.ipConfigurations[name=c].properties.privateIPAllocationMethod -Dynamic +Static}",
	}, changes(r))
	require.EqualValues(t, 1, ignoredOf(r, backup.NRP)[diff.ReasonMoved])
	require.EqualValues(t, 1, ignoredOf(r, backup.ARM)[diff.ReasonMoved])
}

// TestTwoOfOneGUIDAreNotPaired: it is not guessed which is which.
func TestTwoOfOneGUIDAreNotPaired(t *testing.T) {
	a, b := &world{name: "A"}, &world{name: "B"}
	for _, name := range []string{"a1", "a2"} {
		a.put(vnet("g", name, "same", "10.0.0.0/24")[0])
	}
	b.put(vnet("g", "b1", "same", "10.0.0.0/24")[0])
	require.Len(t, changes(compare(t, a, b, diff.Options{})), 3)
}

// TestTheLastRecordCounts: an object that was captured twice is what it was at last.
func TestTheLastRecordCounts(t *testing.T) {
	one := vnet("g", "v", "guid-1", "10.0.0.0/24")[1]
	other := vnet("g", "v", "guid-1", "10.5.0.0/24")[1]
	stale := other
	stale.stale = true
	a, b := &world{name: "A", things: []thing{one}}, &world{name: "B", things: []thing{stale, one}}
	r := compare(t, a, b, diff.Options{})
	require.True(t, r.Same, "%q", changes(r))
	b = &world{name: "B", things: []thing{one, other}}
	b.things[0].stale = true
	require.Len(t, changes(compare(t, a, b, diff.Options{})), 1)
}

func TestServices(t *testing.T) {
	a := &world{name: "A"}
	a.put(vnet("g", "v", "guid-1", "10.0.0.0/24")[1])
	a.put(document(backup.ARM, "link", sub+"/l", object{"x": "1"}))
	b := &world{name: "B"}
	b.put(vnet("g", "v", "guid-1", "10.7.0.0/24")[1])
	b.put(document(backup.ARM, "link", sub+"/l", object{"x": "2"}))

	r := compare(t, a, b, diff.Options{Services: []backup.Service{backup.NRP}})
	require.Len(t, r.Services, 1)
	require.Len(t, changes(r), 1)
	require.False(t, r.Access.Computed)
	require.NotEmpty(t, r.Access.Reason)

	// What a side lacks is not removed: it is not compared.
	b.missing = map[backup.Service]string{backup.NRP: "SOURCE_UNREACHABLE"}
	r = compare(t, a, b, diff.Options{})
	require.False(t, r.Same)
	require.Len(t, changes(r), 1)
	s := r.Services[slices.Index(backup.Services(), backup.NRP)]
	require.False(t, s.Compared)
	require.Contains(t, s.Reason, "SOURCE_UNREACHABLE")
	require.Contains(t, strings.Join(r.Warnings, "; "), "NRP was not compared")
	a.missing = b.missing
	require.Contains(t, compare(t, a, b, diff.Options{}).Services[5].Reason, "neither side")
	a.without, b.without = []backup.Service{backup.NRP}, []backup.Service{backup.NRP}
	require.Len(t, compare(t, a, b, diff.Options{}).Services, 7, "asked for on no side")
	require.Len(t, compare(t, a, b, diff.Options{Services: []backup.Service{backup.NRP}}).Services, 1)
}

// TestGapsAreSaid: an item that the other side knows of was not removed there.
func TestGapsAreSaid(t *testing.T) {
	a := &world{name: "A"}
	one := vnet("g", "v", "guid-1", "10.0.0.0/24")[1]
	a.put(one)
	b := &world{name: "B", gaps: map[backup.Service][]backup.Gap{backup.NRP: {{Code: "SECRET_DISABLED", Object: strings.ToUpper(one.id)}}}}
	r := compare(t, a, b, diff.Options{})
	require.Contains(t, r.Services[5].Changes[0].Note, "SECRET_DISABLED")
}

func TestFilesThatWereMoved(t *testing.T) {
	a, b := &world{name: "A"}, &world{name: "B"}
	file := func(w *world, kind, id, data string) {
		w.put(thing{service: backup.AD, kind: kind, id: id, name: id, data: []byte(data), file: true})
	}
	file(a, "sysvol-file", "p/one.cmd", "content one")
	file(b, "sysvol-file", "q/one.cmd", "content one")
	file(a, "sysvol-file", "p/GPT.INI", "[General]\r\nVersion=1\r\n")
	file(b, "sysvol-file", "p/GPT.INI", "[General]\r\nVersion=2\r\n")
	file(a, "sysvol-file", "p/twice", "twice")
	file(b, "sysvol-file", "q/twice-1", "twice")
	file(b, "sysvol-file", "q/twice-2", "twice")
	file(a, "sysvol-file", "p/empty", "")
	file(b, "sysvol-file", "q/empty", "")
	file(a, "sysvol-file", "p/script", "canary 1")
	file(b, "sysvol-file", "p/script", "canary 22")
	r := compare(t, a, b, diff.Options{})
	require.Equal(t, []string{
		"added sysvol-file q/empty {}", "added sysvol-file q/twice-1 {}", "added sysvol-file q/twice-2 {}",
		"changed sysvol-file p/script {changed content -8 bytes +9 bytes}",
		"moved sysvol-file q/one.cmd from p/one.cmd from name p/one.cmd {}",
		"removed sysvol-file p/empty {}", "removed sysvol-file p/twice {}",
	}, changes(r))
	require.EqualValues(t, 1, ignoredOf(r, backup.AD)[directory.ReasonPolicy])
}

func TestWhatCannotBeCompared(t *testing.T) {
	a, b := &world{name: "A"}, &world{name: "B"}
	one := vnet("g", "v", "guid-1", "10.0.0.0/24")[1]
	a.put(one)
	one.data = enveloped("2018-11-01", []byte(`{"a":1,"a":2}`))
	b.put(one)
	r := compare(t, a, b, diff.Options{})
	require.Len(t, changes(r), 1)
	require.Contains(t, r.Services[5].Changes[0].Note, "appears twice")
}

func TestErrors(t *testing.T) {
	a := &world{name: "A"}
	a.put(vnet("g", "v", "guid-1", "10.0.0.0/24")[1])
	broken := errors.New("the share is gone")
	for _, first := range []bool{true, false} {
		x, y := build(t, a), build(t, &world{name: "B"})
		if x.fail = broken; !first {
			x, y = y, x
		}
		_, err := diff.Compare(t.Context(), x, y, diff.Options{Random: strings.NewReader(strings.Repeat("x", 32))})
		require.ErrorIs(t, err, broken)
	}
	x, y := build(t, a), build(t, &world{name: "B"})
	x.parts[backup.NRP] = x.parts[backup.ARM]
	_, err := diff.Compare(t.Context(), x, y, diff.Options{Random: strings.NewReader(strings.Repeat("x", 32))})
	require.ErrorIs(t, err, fault.BackupDamaged)
	_, err = diff.Compare(t.Context(), y, y, diff.Options{Random: strings.NewReader("short")})
	require.Error(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = diff.Compare(ctx, build(t, a), y, diff.Options{Random: strings.NewReader(strings.Repeat("x", 32))})
	require.ErrorIs(t, err, context.Canceled)
}

func TestProgress(t *testing.T) {
	a, b := &world{name: "A"}, &world{name: "B"}
	a.put(vnet("g", "v", "guid-1", "10.0.0.0/24")[1])
	b.put(vnet("g", "v", "guid-1", "10.0.0.0/25")[1])
	var last, total int64
	run(t, build(t, a), build(t, b), diff.Options{Progress: func(service string, done, of int64) {
		require.Equal(t, string(backup.NRP), service)
		last, total = done, of
	}})
	require.Positive(t, total)
	require.Equal(t, total, last)
}
