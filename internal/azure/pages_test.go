package azure_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/azure"
	"infrabackup/internal/fault"
	"infrabackup/tests/tier"
)

// TestAListIsCounted: what is remembered of the elements of earlier pages counts until the
// list was read, whether its last part is one of several or not.
func TestAListIsCounted(t *testing.T) {
	h, config := newHost(t)
	s := openHost(t, config)
	const pages, elements = 5, 2500 // a page is handed on in parts of a thousand
	h.with(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/l" {
			return false
		}
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		var all []string
		for i := range elements {
			all = append(all, fmt.Sprintf(`{"id":"/%d/%d"}`, n, i))
		}
		next := ""
		if n+1 < pages {
			next = fmt.Sprintf(`,"nextLink":"%s/l?n=%d"`, h.URL, n+1)
		}
		_, err := fmt.Fprintf(w, `{"value":[%s]%s}`, strings.Join(all, ","), next)
		return err == nil
	})
	memory := s.NewMemory()
	defer memory.Release()
	ctx := azure.WithMemory(t.Context(), memory)
	list := s.Tenant().List("/l", "1", nil)
	handed := 0
	for {
		page, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		handed += len(page.Items)
		if page.Number > 1 && list.More() {
			require.GreaterOrEqual(t, s.Remembered(), int64(8*elements*(page.Number-1)))
			require.Less(t, s.Remembered(), int64(16*elements*pages))
		}
	}
	require.Equal(t, pages*elements, handed)
	require.Zero(t, s.Remembered())
}

// TestOnePageHasALimit: the elements of one page are told apart before the page is
// believed, which takes memory that nobody counts.
func TestOnePageHasALimit(t *testing.T) {
	tier.Weighs(t)
	h, config := newHost(t)
	s := openHost(t, config)
	h.with(body("/l", http.StatusOK, `{"value":[{}`+strings.Repeat(",{}", azure.MaxPageElements)+`]}`))
	got, err := drain(t.Context(), s.Tenant().List("/l", "1", nil))
	require.ErrorIs(t, err, fault.LimitExceeded)
	require.ErrorContains(t, err, "page 1 has more than 400000 elements")
	require.LessOrEqual(t, len(got), azure.MaxPageElements)
}
