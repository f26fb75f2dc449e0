package stamp_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp"
)

func isDisks(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/disks") }

// second matches a list's further pages only.
func second(r *http.Request) bool { return isDisks(r) && r.URL.Query().Has("$skiptoken") }

// names5 are the disks of TestFaults, five a page.
func diskNames(from, to int) []string {
	var names []string
	for i := from; i < to; i++ {
		names = append(names, "disk-00"+string(rune('0'+i)))
	}
	return names
}

func TestFaultsOfPages(t *testing.T) {
	t.Parallel()
	s, c := withDisks(t, 8, 3)
	all := diskNames(0, 8)
	inject := func(t *testing.T, f stamp.Fault) { t.Cleanup(s.Inject(f)) }
	t.Run("repeat", func(t *testing.T) {
		inject(t, stamp.Fault{Match: isDisks, Kind: stamp.RepeatPage, Times: 1})
		require.Equal(t, append(append(diskNames(0, 3), diskNames(0, 3)...), diskNames(6, 8)...), c.names(disks))
		require.Equal(t, all, c.names(disks), "once only")
	})
	t.Run("repeat the second", func(t *testing.T) {
		inject(t, stamp.Fault{Match: isDisks, Kind: stamp.RepeatPage, After: 1})
		require.Equal(t, append(diskNames(0, 6), diskNames(3, 6)...), c.names(disks))
	})
	t.Run("loop", func(t *testing.T) {
		inject(t, stamp.Fault{Match: second, Kind: stamp.LoopPage, Times: 2})
		require.Equal(t, append(append(diskNames(0, 6), diskNames(3, 6)...), diskNames(3, 8)...), c.names(disks))
	})
	t.Run("shift", func(t *testing.T) {
		inject(t, stamp.Fault{Match: isDisks, Kind: stamp.ShiftPage, Times: 1})
		require.Equal(t, append(diskNames(0, 3), diskNames(4, 8)...), c.names(disks))
	})
	t.Run("duplicate", func(t *testing.T) {
		inject(t, stamp.Fault{Match: isDisks, Kind: stamp.DuplicateID, Times: 1})
		require.Equal(t, append(append(diskNames(0, 3), "disk-000"), diskNames(3, 8)...), c.names(disks))
	})
	t.Run("foreign", func(t *testing.T) {
		inject(t, stamp.Fault{Match: isDisks, Kind: stamp.ForeignNextLink, Times: 1})
		require.True(t, strings.HasPrefix(c.get(disks).json(t)["nextLink"].(string), "https://evil.example/"))
	})
	t.Run("unknown field", func(t *testing.T) {
		inject(t, stamp.Fault{Match: isDisks, Kind: stamp.UnknownField})
		page := c.get(disks).json(t)
		require.Contains(t, page, "x-notInAnyDefinition")
		for _, element := range page["value"].([]any) {
			require.Contains(t, element, "x-notInAnyDefinition")
		}
	})
	t.Run("huge", func(t *testing.T) {
		inject(t, stamp.Fault{Match: isDisks, Kind: stamp.HugeItem, Size: 3})
		page := c.get(disks)
		require.Greater(t, len(page.body), 3<<20)
		require.Len(t, page.json(t)["value"].([]any)[0].(map[string]any)["padding"], 3<<20)
	})
	require.Equal(t, all, c.names(disks), "all faults are removed")
}

func TestFaultsOfAnswers(t *testing.T) {
	t.Parallel()
	s, c := withDisks(t, 8, 0)
	disk := resource("RG", "Microsoft.Compute/disks", "disk-003")
	one := disk.ID + "?api-version=2019-07-01"
	isOne := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/disk-003") }
	inject := func(t *testing.T, f stamp.Fault) {
		if f.Match == nil {
			f.Match = isOne
		}
		t.Cleanup(s.Inject(f))
	}
	t.Run("500, after one and twice", func(t *testing.T) {
		inject(t, stamp.Fault{Kind: stamp.InternalError, After: 1, Times: 2})
		for _, status := range []int{200, 500, 500, 200} {
			require.Equal(t, status, c.get(one).StatusCode)
		}
	})
	t.Run("503", func(t *testing.T) {
		inject(t, stamp.Fault{Kind: stamp.Unavailable, RetryAfter: 1500 * time.Millisecond})
		r := c.get(one)
		require.Equal(t, 503, r.StatusCode)
		require.Equal(t, "2", r.Header.Get("Retry-After"))
	})
	t.Run("429", func(t *testing.T) {
		inject(t, stamp.Fault{Kind: stamp.Throttled, RetryAfter: 2 * time.Minute})
		r := c.get(one)
		require.Equal(t, 429, r.StatusCode)
		require.Equal(t, "120", r.Header.Get("Retry-After"))
		require.Equal(t, "TooManyRequests", r.code(t))
	})
	t.Run("hang", func(t *testing.T) {
		inject(t, stamp.Fault{Kind: stamp.Hang})
		impatient := &caller{t: t, s: s, http: &http.Client{Transport: c.http.Transport, Timeout: 50 * time.Millisecond}, id: c.id, secret: c.secret, tokens: c.tokens}
		_, err := impatient.do(http.MethodGet, s.TenantURL()+one, "")
		require.ErrorContains(t, err, "Timeout")
	})
	t.Run("half a body", func(t *testing.T) {
		inject(t, stamp.Fault{Kind: stamp.HalfBody})
		r := c.get(one)
		require.Error(t, r.err)
		require.EqualValues(t, len(disk.Body), r.ContentLength)
		require.Equal(t, string(disk.Body[:len(disk.Body)/2]), string(r.body))
	})
	t.Run("truncated", func(t *testing.T) {
		inject(t, stamp.Fault{Kind: stamp.TruncatedBody})
		r := c.get(one)
		require.NoError(t, r.err)
		require.Equal(t, string(disk.Body[:len(disk.Body)/2]), string(r.body))
		require.False(t, json.Valid(r.body))
	})
	t.Run("rewrite", func(t *testing.T) {
		inject(t, stamp.Fault{Kind: stamp.Rewrite, Mutate: func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("disk-003"), []byte("disk-666")) }})
		require.Contains(t, string(c.get(one).body), "disk-666")
		require.Contains(t, string(disk.Body), "disk-003")
	})
	t.Run("unknown field and huge item of a document", func(t *testing.T) {
		inject(t, stamp.Fault{Kind: stamp.UnknownField})
		inject(t, stamp.Fault{Kind: stamp.HugeItem, Size: 1})
		v := c.get(one).json(t)
		require.Contains(t, v, "x-notInAnyDefinition")
		require.Len(t, v["padding"], 1<<20)
	})
	t.Run("forbidden", func(t *testing.T) {
		inject(t, stamp.Fault{Kind: stamp.Forbidden})
		r := c.get(one)
		require.Equal(t, 403, r.StatusCode)
		require.Equal(t, "AuthorizationFailed", r.code(t))
		require.Contains(t, string(r.body), "Microsoft.Compute/disks/read")
		require.Contains(t, string(r.body), strings.ToLower(disk.ID))
	})
	t.Run("expired token", func(t *testing.T) {
		inject(t, stamp.Fault{Kind: stamp.ExpiredToken, Times: 1})
		for range 2 {
			r := c.get(one)
			require.Equal(t, 401, r.StatusCode)
			require.Equal(t, "ExpiredAuthenticationToken", r.code(t))
			require.Contains(t, r.Header.Get("WWW-Authenticate"), `error="invalid_token"`)
		}
		clear(c.tokens)
		require.Equal(t, 200, c.get(one).StatusCode)
	})
	require.Equal(t, string(disk.Body), string(c.get(one).body), "all faults are removed")
}

func TestHungRequestsEndWithTheStamp(t *testing.T) {
	t.Parallel()
	s, err := stamp.Start(stamp.Options{})
	require.NoError(t, err)
	reached := make(chan struct{}, 1)
	s.Observe(func(*http.Request) { reached <- struct{}{} })
	s.Inject(stamp.Fault{Kind: stamp.Hang})
	failed := make(chan error, 1)
	client := transport(t, s)
	go func() {
		resp, err := client.Get(s.TenantURL() + "/metadata/endpoints?api-version=2015-01-01")
		if err == nil {
			err = resp.Body.Close()
		}
		failed <- err
	}()
	<-reached
	require.NoError(t, s.Close())
	require.Error(t, <-failed)
	require.NoError(t, s.Close(), "twice is no error")
	require.EqualValues(t, 1, s.Requests())
}
