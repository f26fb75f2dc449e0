package edge_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/edge"
	"infrabackup/internal/consistency"
	"infrabackup/tests/lab/stamp/inventory"
	"infrabackup/tests/tier"
)

// principals are in no document of a stamp, and in its roles and policies.
var principals = []string{"S-1-5-21-1-2-3-500", "S-1-5-21-1-2-3-1104", "S-1-5-21-1-2-3-1105"}

func stamp(t *testing.T, seed int64, resources int) *inventory.Stamp {
	t.Helper()
	s, err := inventory.Generate(inventory.Options{Seed: seed, Resources: resources, Domain: "local.azurestack.test", Principals: principals})
	require.NoError(t, err)
	return s
}

// key folds an ID in the way of the generator, which writes no other spellings.
func key(id string) string { return strings.ToLower(id) }

// text is one text of a document and where it stands.
type text struct{ path, value string }

// texts are all that a document has. Elements of arrays stand at #.
func texts(document []byte) []text {
	var value any
	if json.Unmarshal(document, &value) != nil {
		return nil
	}
	var all []text
	var visit func(value any, path []string)
	visit = func(value any, path []string) {
		switch value := value.(type) {
		case map[string]any:
			for name, member := range value {
				visit(member, append(slices.Clip(path), name))
			}
		case []any:
			for _, element := range value {
				visit(element, append(slices.Clip(path), "#"))
			}
		case string:
			all = append(all, text{strings.Join(path, "."), value})
		}
	}
	visit(value, nil)
	return all
}

// holder is the document of a stamp that an ID names, or in which it lies; "" when that
// is at most a resource group.
func holder(known map[string]string, id string) string {
	for at := id; strings.Contains(at, "/"); at = at[:strings.LastIndexByte(at, '/')] {
		if _, there := known[at]; there && (at == id || strings.Contains(at, "/providers/")) {
			return at
		}
	}
	return ""
}

var armID = regexp.MustCompile(`(?i)^/(subscriptions|providers|tenants)/`)

// TestEveryIDIsAnEdge looks for IDs of a stamp's resources everywhere in its documents,
// whatever the rows say. Each has to be found by a row, or has to be an exception with a
// reason: so a new type whose documents refer to others is noticed.
func TestEveryIDIsAnEdge(t *testing.T) {
	s := stamp(t, 7, tier.Size(2000, 5000, 20_000))
	known := map[string]string{}
	for _, d := range s.Documents {
		known[key(d.ID)] = d.Type
	}
	exceptions := map[string]bool{}
	for _, e := range edge.Exceptions {
		exceptions[key(e.Type+" "+e.Path)] = true
	}
	missing, used := map[string]string{}, map[string]int{}
	for _, d := range s.Documents {
		edges, further := edge.Of(d.Type, d.ID, d.Body)
		require.Zero(t, further)
		own := key(d.ID)
		for _, found := range texts(d.Body) {
			id := key(found.value)
			sid := slices.Contains(principals, found.value)
			if !sid && (!armID.MatchString(id) || id == own || strings.HasPrefix(id, own+"/")) {
				continue
			}
			path := strings.TrimSuffix(found.path, ".#")
			at := key(d.Type + " " + path)
			target := holder(known, id)
			// What no document has may still be what a row knows by another name.
			covered := slices.ContainsFunc(edges, func(e edge.Edge) bool {
				return strings.EqualFold(e.Path, path) && (e.Target == target || e.Target == id || sid && e.Target == "sid:"+id || strings.HasPrefix(e.Target, "role:"))
			})
			switch {
			case covered:
			case exceptions[at]:
				used[at]++
			default:
				missing[at] = fmt.Sprintf("%s names %s", d.ID, found.value)
			}
		}
	}
	require.Empty(t, missing, "types and paths without a row")
	for _, e := range edge.Exceptions {
		if known := key(e.Type + " " + e.Path); strings.Contains(e.Type, ".Admin") {
			require.Positive(t, used[known], "the stamp has none of %s %s", e.Type, e.Path)
		}
	}
}

// TestEveryTargetExists: of a whole stamp, no edge leads nowhere, parents and back
// references among them.
func TestEveryTargetExists(t *testing.T) {
	s := stamp(t, 8, tier.Size(2000, 5000, 20_000))
	there := map[string]bool{}
	for _, d := range s.Documents {
		there[key(d.ID)] = true
	}
	bodies := map[string][]byte{}
	for _, d := range s.Documents {
		bodies[key(d.ID)] = d.Body
	}
	parts := 0
	for _, d := range s.Documents {
		edges, _ := edge.Of(d.Type, d.ID, d.Body)
		if strings.Count(d.ID, "/") > 2 {
			require.NotEmpty(t, edges, d.ID)
			require.Equal(t, edge.ParentRelation, edges[0].Relation, d.ID)
		}
		for _, e := range edges {
			if strings.HasPrefix(e.Target, "/") {
				require.True(t, there[e.Target], "%s: %+v", d.ID, e)
				require.NotEqual(t, key(d.ID), e.Target)
			}
			if e.Part != "" {
				parts++
				require.True(t, edge.Names(bodies[e.Target], e.Part), "%s: %+v", d.ID, e)
				require.False(t, edge.Names(bodies[e.Target], e.Part+"x"))
			}
		}
	}
	require.Greater(t, parts, 100)
}

// graph are the needs of a stamp's documents that are kept, by target.
func graph(s *inventory.Stamp, keep func(edge.Edge) bool) map[string][]string {
	needs := map[string][]string{}
	for _, d := range s.Documents {
		own := key(d.ID)
		edges, _ := edge.Of(d.Type, d.ID, d.Body)
		for _, e := range edges {
			switch {
			case !keep(e):
			case e.Direction == edge.Back:
				needs[e.Target] = append(needs[e.Target], own)
			default:
				needs[own] = append(needs[own], e.Target)
			}
		}
		if at := strings.LastIndex(own, "/roledefinitions/"); at >= 0 { // roles are known by their GUIDs
			alias := "role:" + own[at+len("/roledefinitions/"):]
			needs[alias] = append(needs[alias], own)
		}
	}
	return needs
}

// cycle is one way from a document back to itself, nil when there is none.
func cycle(needs map[string][]string) []string {
	const open, done = 1, 2
	state := map[string]int{}
	var way []string
	var visit func(at string) bool
	visit = func(at string) bool {
		way = append(way, at)
		state[at] = open
		for _, next := range needs[at] {
			if state[next] == open {
				way = append(way, next)
				return true
			}
			if state[next] == 0 && visit(next) {
				return true
			}
		}
		state[at] = done
		way = way[:len(way)-1]
		return false
	}
	for at := range needs {
		if state[at] == 0 && visit(at) {
			return way
		}
	}
	return nil
}

// TestHardNeedsHaveNoCycle: hard needs alone order all documents. Back references, turned
// round, say nothing else than these.
func TestHardNeedsHaveNoCycle(t *testing.T) {
	for seed := range int64(tier.Size(2, 2, 40)) {
		s := stamp(t, seed, 3000)
		require.Nil(t, cycle(graph(s, func(e edge.Edge) bool { return e.Strength == edge.Hard && e.Direction == edge.Need })))
		require.Nil(t, cycle(graph(s, func(e edge.Edge) bool { return e.Strength == edge.Hard })))
	}
	require.NotNil(t, cycle(map[string][]string{"a": {"b"}, "b": {"c"}, "c": {"a"}}), "it can fail")
}

// TestMutualPeerings: two networks that are peered with each other are in no cycle of hard
// needs, and both peerings come after both.
func TestMutualPeerings(t *testing.T) {
	const group = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/"
	s := &inventory.Stamp{}
	put := func(fullType, id, body string) {
		s.Documents = append(s.Documents, inventory.Document{Type: fullType, ID: id, Body: json.RawMessage(body)})
	}
	for _, of := range [][2]string{{"a", "b"}, {"b", "a"}} {
		peering := fmt.Sprintf(`{"id":"%s%s/virtualNetworkPeerings/p","name":"p","properties":{"remoteVirtualNetwork":{"id":"%[1]s%[3]s"}}}`, group, of[0], of[1])
		put("Microsoft.Network/virtualNetworks", group+of[0], `{"properties":{"virtualNetworkPeerings":[`+peering+`]}}`)
		put("Microsoft.Network/virtualNetworks/virtualNetworkPeerings", group+of[0]+"/virtualNetworkPeerings/p", peering)
	}
	hard := graph(s, func(e edge.Edge) bool { return e.Strength == edge.Hard })
	require.Nil(t, cycle(hard))
	require.NotNil(t, cycle(graph(s, func(edge.Edge) bool { return true })))
	require.ElementsMatch(t, []string{key(group + "a"), key(group + "b")}, hard[key(group+"a/virtualNetworkPeerings/p")])
	for _, d := range s.Documents {
		edges, _ := edge.Of(d.Type, d.ID, d.Body)
		require.Len(t, edge.References(edges), 1, "a peering without its other network is of no use")
	}
}

// TestEveryNeedDanglesWithoutItsTarget takes away the target of one need at a time, one
// for each place in each type that a stamp has, and asks the check of backups.
func TestEveryNeedDanglesWithoutItsTarget(t *testing.T) {
	s := stamp(t, 9, 2000)
	var entries []backup.CatalogEntry
	type place struct{ fullType, path string }
	needs := map[place]backup.Reference{}
	for _, sid := range principals {
		entries = append(entries, backup.CatalogEntry{Service: backup.AD, Item: backup.Item{Kind: "object", ID: sid, Aliases: []string{"sid:" + key(sid)}}})
	}
	for _, d := range s.Documents {
		edges, _ := edge.Of(d.Type, d.ID, d.Body)
		item := backup.Item{Kind: "document", ID: key(d.ID), References: edge.References(edges)}
		if at := strings.LastIndex(item.ID, "/roledefinitions/"); at >= 0 {
			item.Aliases = []string{"role:" + item.ID[at+len("/roledefinitions/"):]}
		}
		entries = append(entries, backup.CatalogEntry{Service: edge.ServiceOf(d.ID), Item: item})
		for _, e := range edges {
			if e.Direction == edge.Need && !e.Origin && e.Path != "" {
				needs[place{d.Type, e.Path}] = backup.Reference{Relation: e.Relation, Service: e.Service, Target: e.Target}
			}
		}
	}
	// dangling counts by relation what dangles without one target.
	dangling := func(without string) map[string]int64 {
		checker := consistency.New(backup.Services()...)
		all := slices.DeleteFunc(slices.Clone(entries), func(e backup.CatalogEntry) bool {
			return e.ID == without || slices.Contains(e.Aliases, without)
		})
		for _, e := range all {
			checker.Note(e)
		}
		result, err := checker.Check(func(service backup.Service, fn func(backup.CatalogEntry)) error {
			for _, e := range all {
				if e.Service == service {
					fn(e)
				}
			}
			return nil
		})
		require.NoError(t, err)
		found := map[string]int64{}
		for _, r := range result.Relations {
			require.Zero(t, r.Unchecked, r.Relation)
			if r.Dangling > 0 {
				found[r.Relation] = r.Dangling
			}
		}
		return found
	}
	require.Empty(t, dangling("-"))
	require.Greater(t, len(needs), 25)
	for at, need := range needs {
		require.Positive(t, dangling(need.Target)[need.Relation], "%+v without %s", at, need.Target)
	}
}
