package live_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/diff"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator/live"
)

// cloud is a collector of files.
type cloud struct {
	service backup.Service
	files   map[string]string
	err     error
}

func (c cloud) Service() backup.Service     { return c.service }
func (c cloud) Check(context.Context) error { return nil }
func (c cloud) Collect(_ context.Context, sink collect.Sink) (collect.Capture, error) {
	for name, content := range c.files {
		if err := sink.File(backup.Item{Kind: "file", ID: name}, collect.FileInfo{Path: name, Size: int64(len(content)), Mode: 0o600, ModTime: time.Unix(0, 0)}, strings.NewReader(content)); err != nil {
			return collect.Capture{}, err
		}
	}
	sink.Gap(backup.Gap{Code: "NOT_READABLE", Object: "secret"})
	return collect.Capture{}, c.err
}

func take(t *testing.T, o live.Options, all ...collect.Collector) (*live.Capture, error) {
	t.Helper()
	o.Now = func() time.Time { return time.Unix(1_800_000_000, 0) }
	return live.Take(t.Context(), all, o)
}

func TestTake(t *testing.T) {
	var begun []backup.Service
	one, err := take(t, live.Options{Begun: func(s backup.Service) { begun = append(begun, s) }},
		cloud{service: backup.AD, err: fault.Newf(fault.SourceUnreachable, "nobody answers")}, cloud{service: backup.CA, files: map[string]string{"a": "1", "b": "2"}})
	require.NoError(t, err)
	require.Equal(t, []backup.Service{backup.AD, backup.CA}, begun)
	require.Contains(t, one.Services()[0].Missing, "nobody answers")
	require.Empty(t, one.Services()[1].Missing)
	require.Len(t, one.Services()[1].Gaps, 1)

	other, err := take(t, live.Options{}, cloud{service: backup.AD}, cloud{service: backup.CA, files: map[string]string{"b": "3", "c": "4"}})
	require.NoError(t, err)
	found, err := diff.Compare(t.Context(), one, other, diff.Options{Random: rand.Reader})
	require.NoError(t, err)
	for _, s := range found.Services {
		if s.Service == backup.AD {
			require.False(t, s.Compared, "a service that could not be read is no empty one")
			require.Contains(t, s.Reason, "nobody answers")
			continue
		}
		require.Equal(t, []int64{2, 2, 1, 1, 1}, []int64{s.ItemsA, s.ItemsB, s.Added, s.Removed, s.Changed})
	}

	only, err := take(t, live.Options{Services: []backup.Service{backup.CA}}, cloud{service: backup.AD, err: errors.New("it is not asked")}, cloud{service: backup.CA})
	require.NoError(t, err)
	require.Len(t, only.Services(), 1)
	_, err = only.Open(t.Context(), backup.AD)
	require.ErrorIs(t, err, fault.ItemNotFound)
}

func TestTakeIsBounded(t *testing.T) {
	files := map[string]string{}
	for i := range 100 {
		text := make([]byte, 20_000)
		_, _ = rand.Read(text) // it does not fail
		files[fmt.Sprint(i)] = string(text)
	}
	_, err := take(t, live.Options{Limit: 1 << 20}, cloud{service: backup.CA, files: files})
	require.ErrorIs(t, err, fault.LimitExceeded)
	_, err = take(t, live.Options{Limit: 4 << 20}, cloud{service: backup.CA, files: files})
	require.NoError(t, err)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = live.Take(ended, []collect.Collector{cloud{service: backup.CA, err: context.Canceled}}, live.Options{Now: time.Now})
	require.ErrorIs(t, err, context.Canceled)
}
