package resource

import (
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/secret"
	"infrabackup/tests/tier"
)

// TestAResourceIsRememberedInAHundredBytes: that a million resources fit into a worker
// rests on it. What is counted of them is what they take.
func TestAResourceIsRememberedInAHundredBytes(t *testing.T) {
	tier.Weighs(t)
	const (
		most = 100
		once = 3 << 20 // what two compressors take
	)
	resources := tier.Size(0, 50_000, 1_000_000)
	stamp, err := azure.New(azure.Config{
		TenantURL: "https://management.local.test", AdminURL: "https://adminmanagement.local.test", Authority: "https://adfs.local.test",
		ClientID: "client", ClientSecret: secret.New("x"),
	})
	require.NoError(t, err)
	row := Type{Kind: "network-interface", Type: "Microsoft.Network/networkInterfaces", Scope: InGroup}
	w := New(stamp, Table{Types: []Type{row}}, Options{Now: time.Now}).newWalk(nowhere{})
	defer w.memory.Release()
	before := heap()
	for i := range resources {
		id := fmt.Sprintf("/subscriptions/6f8c7527-bdc7-4a7b-b834-%012d/resourceGroups/rg-%06d/providers/%s/nic-%07x", i/10_000, i/50, row.Type, i*7919)
		r := Resource{Endpoint: azure.Tenant, Type: row.Type, ID: id, Version: "2020-01-01", Document: fmt.Appendf(nil, `{"id":%q}`, id)}
		w.nameElement(r)
		added, err := w.take(t.Context(), &row, r)
		require.NoError(t, err)
		require.True(t, added)
	}
	took := int(heap() - before)
	t.Logf("%d bytes for each of %d resources", took/resources, resources)
	require.Less(t, took, once+most*resources)
	require.NoError(t, w.weigh())
	require.InEpsilon(t, took, w.taken, 0.2, "what is counted")
	require.NoError(t, w.balance())
	runtime.KeepAlive(w)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// nowhere is a sink that keeps nothing.
type nowhere struct{}

// Record implements [collect.Sink].
func (nowhere) Record(backup.Item, []byte) error { return nil }

// File implements [collect.Sink].
func (nowhere) File(backup.Item, collect.FileInfo, io.Reader) error { return nil }

// Gap implements [collect.Sink].
func (nowhere) Gap(backup.Gap) {}
