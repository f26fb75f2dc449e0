package jsondoc

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/tier"
)

// TestTextKeepsNothingOfTheDocument: an ID in other letters than usual is found by
// looking at all members, and is remembered for a whole capture.
func TestTextKeepsNothingOfTheDocument(t *testing.T) {
	tier.Weighs(t)
	pad := strings.Repeat("x", 1<<20)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for _, name := range []string{"id", "Id"} {
		var ids []string
		before := heap()
		for i := range 40 {
			ids = append(ids, Text(fmt.Appendf(nil, `{"pad":%q,%q:"/subscriptions/%d"}`, pad, name, i), "id"))
		}
		require.Less(t, heap(), before+8<<20, name)
		require.Equal(t, "/subscriptions/39", ids[39])
		runtime.KeepAlive(ids)
	}
}
