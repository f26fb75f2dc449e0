package compact

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/tier"
)

// TestTableIsAMap does the same to a table and to a map.
func TestTableIsAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var table Table[Sum, uint32]
	model := map[Sum]uint32{}
	check := func() {
		require.Equal(t, len(model), table.Len())
		require.Equal(t, model, maps.Collect(table.All()))
		for key, value := range model {
			got, ok := table.Get(key)
			require.True(t, ok)
			require.Equal(t, value, got)
		}
	}
	_, ok := table.Get(1)
	require.False(t, ok)
	check()
	for i := range 30_000 {
		key, value := Sum(r.Uint64()), r.Uint32()
		switch i % 10 {
		case 0:
			key = Sum(r.Uint64N(100)) // many in one shard, which begin at one slot; 0 too
		case 1:
			key = Sum(r.Uint64() | 0xffffffff<<32) // at the end of a shard
		}
		_, known := model[key]
		require.Equal(t, !known, table.Put(key, value))
		model[key] = value
		_, ok := table.Get(key + 1)
		_, known = model[key+1]
		require.Equal(t, known, ok)
		if i < 20 || i == small || i == small+1 {
			check()
		}
	}
	check()
	for range table.All() {
		break
	}
}

// TestTableIsSmall: what a table says that it takes is what it takes, and bounded.
func TestTableIsSmall(t *testing.T) {
	tier.Weighs(t)
	type value struct {
		a uint64
		_ [8]byte // as much as what is remembered of an item
	}
	const entry = 16 + 16
	for _, n := range []int{100_000, 150_000, 200_000} {
		before := heap()
		var table Table[Digest, value]
		for i := range n {
			var key Digest
			binary.LittleEndian.PutUint64(key[:], rand.Uint64())
			binary.LittleEndian.PutUint64(key[8:], uint64(i))
			table.Put(key, value{a: uint64(i)})
		}
		took := int(heap() - before)
		require.Less(t, took, n*entry*3/2, n)
		require.InEpsilon(t, took, table.Bytes(), 0.1)
		runtime.KeepAlive(&table)
	}
	var set Table[Sum, struct{}]
	for range 100_000 {
		set.Put(Sum(rand.Uint64()), struct{}{})
	}
	require.Less(t, set.Bytes(), 100_000*12)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestTexts(t *testing.T) {
	var texts Texts
	require.Empty(t, slices.Collect(texts.All()))
	want := []string{"", strings.Repeat("x", 3*blockBytes), "\x00\xff"}
	for i := range 5000 {
		want = append(want, fmt.Sprintf("/subscriptions/s/resourceGroups/g%d/providers/Microsoft.Network/networkInterfaces/nic-%d", i/40, i))
	}
	for _, text := range want {
		texts.Add(text)
	}
	require.Equal(t, len(want), texts.Len())
	got := []string{}
	for text := range texts.All() {
		texts.Add("more") // does not change what is read
		got = append(got, text)
	}
	require.Equal(t, want, got)
	require.Equal(t, 2*len(want), texts.Len())
	for range texts.All() {
		break
	}
}

// TestIndexIsSmall: an ID of 130 bytes takes a tenth of them.
func TestIndexIsSmall(t *testing.T) {
	tier.Weighs(t)
	const n = 100_000
	id := func(i int) string {
		return fmt.Sprintf("tenant disk /subscriptions/6f8c7527-bdc7-4a7b-b834-649bab41174e/resourcegroups/group-%d/providers/microsoft.compute/disks/disk-%d", i/50, i)
	}
	before := heap()
	var x Index[uint64]
	for i := range n {
		require.True(t, x.Put(id(i), uint64(i)))
	}
	took := int(heap() - before)
	t.Logf("%d bytes for each of %d", took/n, n)
	require.Less(t, took, n*(24*3/2+20))
	require.InEpsilon(t, took, x.Bytes(), 0.15)
	require.False(t, x.Put(id(7), 70)) // until it is put again below
	next := 0
	for text, value := range x.All() {
		require.Equal(t, id(next), text)
		require.EqualValues(t, next, value)
		next++
		if next < n {
			x.Put(id(next), uint64(next)) // as it was
		}
	}
	require.Equal(t, n, next)
	sum := uint64(0)
	for value := range x.Values() {
		sum += value
	}
	require.EqualValues(t, uint64(n*(n-1)/2), sum)
	_, ok := x.Get("another")
	require.False(t, ok)
	value, ok := x.Get(id(7))
	require.True(t, ok)
	require.EqualValues(t, 7, value)
	require.Equal(t, n, x.Len())
}
