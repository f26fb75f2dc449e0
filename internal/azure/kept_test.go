package azure

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/tier"
)

// TestOffersKeepNothingOfTheAnswer: a text that is remembered is not kept together with
// the megabyte in which it came.
func TestOffersKeepNothingOfTheAnswer(t *testing.T) {
	tier.Weighs(t)
	pad := strings.Repeat("x", 1<<20)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	o := &Offers{types: map[string]offer{}}
	before := heap()
	for i := range 40 {
		o.add(fmt.Appendf(nil, `{"namespace":"Contoso.N%d","resourceTypes":[{"resourceType":"t","apiVersions":["2019-01-01"],"locations":["east"],"pad":%q}]}`, i, pad))
	}
	after := heap()
	require.Len(t, o.Types(), 40)
	require.Less(t, after, before+8<<20)
	require.Less(t, o.Bytes(), 40<<10)
	runtime.KeepAlive(o)
}

// TestMemoryIsShared: captures of a stamp share what there is, and give it back.
func TestMemoryIsShared(t *testing.T) {
	s := &Stamp{remembered: budget{left: maxRemembered}}
	one, other := s.NewMemory(), s.NewMemory()
	require.NoError(t, one.Take(maxRemembered-10))
	require.NoError(t, other.Take(10))
	require.ErrorContains(t, other.Take(1), "LIMIT_EXCEEDED")
	require.EqualValues(t, maxRemembered, s.Remembered())
	one.Give(1)
	require.NoError(t, other.Take(1))
	one.Release()
	one.Release()
	require.EqualValues(t, 11, s.Remembered())
	other.Release()
	require.Zero(t, s.Remembered())
	var none *Memory
	require.NoError(t, none.Take(1<<40))
	none.Give(1)
	none.Release()
}
