package vault_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/collect/controlplane"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/restore"
)

// captured is what the collectors record of a stamp.
type captured struct {
	entries []backup.CatalogEntry
	bytes   map[string][]byte
}

func capture(t *testing.T, s *site) *captured {
	t.Helper()
	c := &captured{bytes: map[string][]byte{}}
	for _, collector := range controlplane.Collectors(s.client, resource.Options{Now: s.now}) {
		if collector.Service() != backup.KeyVault {
			continue
		}
		r := &collecttest.Recorder{}
		_, err := collector.Collect(t.Context(), r)
		require.NoError(t, err)
		for _, call := range r.Calls() {
			if call.Document != nil {
				path := fmt.Sprint(len(c.entries))
				c.bytes[path] = slices.Clone(call.Document)
				c.entries = append(c.entries, backup.CatalogEntry{Service: backup.KeyVault, Item: call.Item, SHA256: restore.Digest(call.Document), Path: path, Length: int64(len(call.Document))})
			}
		}
	}
	return c
}

// only are the items whose ID has a part.
func (c *captured) only(part string) *captured {
	out := &captured{bytes: c.bytes}
	for _, e := range c.entries {
		if strings.Contains(e.ID, part) {
			out.entries = append(out.entries, e)
		}
	}
	return out
}

func (c *captured) source() *restore.Source {
	return &restore.Source{
		Catalog: func(_ context.Context, fn func(backup.CatalogEntry) error) error {
			for _, e := range c.entries {
				if err := fn(e); err != nil {
					return err
				}
			}
			return nil
		},
		Item: func(_ context.Context, e backup.CatalogEntry) ([]byte, error) { return c.bytes[e.Path], nil },
	}
}

// without leaves out the items whose ID has a part.
func (c *captured) without(part string) *captured {
	out := &captured{bytes: c.bytes}
	for _, e := range c.entries {
		if !strings.Contains(e.ID, part) {
			out.entries = append(out.entries, e)
		}
	}
	return out
}

// group are the items of the group that the first item with a part in its ID belongs to.
func (c *captured) group(t *testing.T, r restore.Restorer, part string) []restore.Item {
	t.Helper()
	var items []restore.Item
	name := r.Group(c.only(part).entries[0])
	for _, e := range c.entries {
		if r.Group(e) == name {
			items = append(items, restore.Item{CatalogEntry: e, Read: func(context.Context) ([]byte, error) { return c.bytes[e.Path], nil }})
		}
	}
	return items
}
