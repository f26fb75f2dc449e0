package ad

import (
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/tests/tier"
)

// TestMemoryStaysFlat captures 80 MB of objects that the server makes up as it
// goes, and looks at the heap meanwhile.
func TestMemoryStaysFlat(t *testing.T) {
	tier.Weighs(t)
	const (
		size         = 4096
		bound uint64 = 40 << 20
	)
	objects := tier.Size(6_000, 20_000, 400_000)
	d := newFakeDC(t)
	noise := strings.Repeat("x", size)
	d.onSearch = func(q *fakeQuery) (bool, error) {
		if q.base != fakeDomain {
			return false, nil
		}
		start := q.page * q.size
		for i := start; i < start+q.size; i++ {
			guid := []byte(fmt.Sprintf("%016d", i))
			text, _ := record.FormatGUID(guid)
			dn := fakeDomain // what the naming context begins with
			if i > 0 {
				dn = fmt.Sprintf("CN=object %d,%s", i, fakeDomain)
			}
			if err := send(q.conn, q.id, entry(fmt.Sprintf("<GUID=%s>;%s", text, dn), [][2]any{
				{"objectGUID", []string{string(guid)}}, {"uSNChanged", []string{"1"}}, {"nTSecurityDescriptor", []string{"x"}},
				{"objectClass", []string{"top", "user"}}, {"info", []string{noise + strconv.Itoa(i)}},
			})); err != nil {
				return true, err
			}
		}
		cookie := ""
		if start+q.size < objects {
			cookie = fmt.Sprintf("from %d", start+q.size)
		}
		return true, q.done(cookie)
	}
	config := d.config()
	config.PageSize = 500
	c, err := New(config)
	require.NoError(t, err)
	before := liveHeap()
	sink := &forgetful{}
	_, err = c.Collect(t.Context(), sink)
	require.NoError(t, err)
	require.GreaterOrEqual(t, sink.count, objects)
	t.Logf("%d objects, at most %d KiB on the heap, %d KiB before", sink.count, sink.heap>>10, before>>10)
	require.Less(t, sink.heap, before+bound)
}

// forgetful is a sink that keeps nothing and measures.
type forgetful struct {
	count int
	heap  uint64
}

// Record implements [collect.Sink].
func (f *forgetful) Record(backup.Item, []byte) error {
	if f.count++; f.count%2000 == 0 {
		f.heap = max(f.heap, liveHeap())
	}
	return nil
}

// liveHeap is what is used of the heap, in bytes; tests before may have left something.
func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// File implements [collect.Sink].
func (f *forgetful) File(backup.Item, collect.FileInfo, io.Reader) error { return nil }

// Gap implements [collect.Sink].
func (f *forgetful) Gap(backup.Gap) {}
