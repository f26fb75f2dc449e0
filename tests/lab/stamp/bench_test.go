package stamp_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

// BenchmarkList reads a list of 100,000 documents to its end, page by page.
func BenchmarkList(b *testing.B) {
	docs := base()
	for i := range 100_000 {
		docs = append(docs, resource(fmt.Sprintf("rg-%d", i%100), "Microsoft.Compute/disks", fmt.Sprintf("disk-%06d", i)))
	}
	s, err := stamp.Start(stamp.Options{Contents: &inventory.Stamp{Documents: docs}})
	require.NoError(b, err)
	defer s.Close()
	c := newBenchCaller(b, s)
	b.ResetTimer()
	for b.Loop() {
		bytes := 0
		for link := s.TenantURL() + disks; link != ""; {
			body := c(link)
			bytes += len(body)
			var page struct {
				Value    []json.RawMessage
				NextLink string
			}
			require.NoError(b, json.Unmarshal(body, &page))
			link = page.NextLink
		}
		b.SetBytes(int64(bytes))
	}
}

// BenchmarkGet reads one document at a time.
func BenchmarkGet(b *testing.B) {
	d := resource("RG", "Microsoft.Compute/disks", "d")
	s, err := stamp.Start(stamp.Options{Contents: &inventory.Stamp{Documents: append(base(), d)}})
	require.NoError(b, err)
	defer s.Close()
	c := newBenchCaller(b, s)
	link := s.TenantURL() + d.ID + "?api-version=2019-07-01"
	b.ResetTimer()
	for b.Loop() {
		c(link)
	}
}

// newBenchCaller gives a function that reads a URL as the all-reading client.
func newBenchCaller(b *testing.B, s *stamp.Stamp) func(string) []byte {
	b.Helper()
	client := transport(b, s)
	c := &caller{t: b, s: s, http: client, id: s.ClientID(), secret: s.ClientSecret(), tokens: map[string]string{}}
	bearer := "Bearer " + c.token(c.audience(s.TenantURL()))
	return func(link string) []byte {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, link, nil)
		require.NoError(b, err)
		req.Header.Set("Authorization", bearer)
		resp, err := client.Do(req)
		require.NoError(b, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(b, err)
		require.NoError(b, resp.Body.Close())
		require.Equal(b, http.StatusOK, resp.StatusCode, "%s", body)
		return body
	}
}
