package services

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/collect/resource"
	"infrabackup/tests/tier"
)

// TestEveryItem captures stamps of several sizes and compares with their stores.
func TestEveryItem(t *testing.T) {
	for _, resources := range []int{10, tier.Size(300, 1000, 1000), tier.Size(300, 10_000, 100_000)} {
		w := newWorld(t, options{resources: resources, pageSize: max(60, resources/100)})
		for _, service := range stampServices {
			t.Run(fmt.Sprintf("%d resources, %s", resources, service), func(t *testing.T) {
				r, err := w.capture(t, service)
				require.NoError(t, err)
				w.requireComplete(t, service, r.Calls())
				if resources <= 1000 { // every canary is looked for in every word
					requireNoCanary(t, w, r)
				}
				requireUnique(t, r.Calls())
			})
		}
	}
}

// TestConformance holds every collector to the port's contract.
func TestConformance(t *testing.T) {
	w := newWorld(t, options{resources: 60})
	for _, service := range stampServices {
		t.Run(string(service), func(t *testing.T) {
			collecttest.Run(t, collecttest.Subject{Collector: w.collectors[service], Service: service, Secrets: longOnes(w.contents.Canaries)})
		})
	}
}

// longOnes leaves out secrets that are short enough to stand in a text by chance.
func longOnes(all []string) []string {
	var long []string
	for _, s := range all {
		if len(s) >= 8 {
			long = append(long, s)
		}
	}
	return long
}

func requireNoCanary(t testing.TB, w *world, r *collecttest.Recorder) {
	t.Helper()
	text := strings.Builder{}
	for _, c := range r.Calls() {
		text.WriteString(c.Item.ID + "\n" + c.Item.Name + "\n" + strings.Join(c.Item.Aliases, "\n"))
		for _, reference := range c.Item.References {
			text.WriteString(reference.Target + "\n")
		}
	}
	for _, g := range r.Gaps() {
		text.WriteString(g.Code + g.Object + g.Reason + "\n")
	}
	for _, canary := range longOnes(w.contents.Canaries) {
		require.NotContains(t, text.String(), canary)
	}
}

func requireUnique(t testing.TB, calls []collecttest.Call) {
	t.Helper()
	seen := map[string]bool{}
	for _, c := range calls {
		if c.Gap == nil {
			key := c.Item.Kind + "\x00" + c.Item.ID
			require.False(t, seen[key] && !c.Item.Supersedes, "%s %s comes twice", c.Item.Kind, c.Item.ID)
			seen[key] = true
		}
	}
}

// TestUnreadableSubscription takes a role away from the client: the stamp then simply
// does not list the subscription.
func TestUnreadableSubscription(t *testing.T) {
	for _, choice := range []resource.Unreadable{resource.UnreadableFails, resource.UnreadableIsGap} {
		w := newWorld(t, options{unreadable: choice})
		hidden := w.hideSubscription(t)
		for _, service := range stampServices {
			t.Run(string(choice)+" "+string(service), func(t *testing.T) {
				r, err := w.capture(t, service)
				if choice == resource.UnreadableFails {
					require.ErrorContains(t, err, "SOURCE_ACCESS_DENIED")
					require.ErrorContains(t, err, hidden)
					require.Error(t, w.collectors[service].Check(t.Context()))
					return
				}
				require.NoError(t, err)
				require.Contains(t, r.Gaps(), backup.Gap{Code: resource.GapSubscription, Object: "/subscriptions/" + hidden,
					Reason: "The client of the worker has no role there; nothing of it was captured."})
			})
		}
	}
}
