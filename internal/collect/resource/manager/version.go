package manager

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"slices"

	"infrabackup/internal/azure"
)

var versionPattern = regexp.MustCompile(`\b\d{4}-\d{2}-\d{2}(-preview|-alpha|-beta)?\b`)

// versionsNamed are the api-versions that a refusal names, newest first.
func versionsNamed(err error) []string {
	named := versionPattern.FindAllString(azure.SaidBy(err).Message, 8)
	slices.Sort(named)
	slices.Reverse(named)
	return slices.Compact(named)
}

// EachVersion calls try with an api-version and, while the stamp does not take it, with
// the known ones, newest first, and those that its first refusal names. The error is that
// refusal when it takes none.
func EachVersion(first string, known []string, try func(version string) error) error {
	refusal := try(first)
	if !errors.Is(refusal, azure.ErrVersionRefused) {
		return refusal
	}
	tried := map[string]bool{first: true}
	known = slices.Sorted(slices.Values(known))
	slices.Reverse(known)
	for _, version := range append(known, versionsNamed(refusal)...) {
		if tried[version] {
			continue
		}
		tried[version] = true
		if err := try(version); !errors.Is(err, azure.ErrVersionRefused) {
			return err
		}
	}
	return refusal
}

// listKnown begins a list of the resource manager's own, which says where to look. What
// it is asked to add may be refused: then it is asked without.
func (m *Manager) listKnown(ctx context.Context, offered *azure.Offers, fullType string, known []string, path string, params url.Values) (pages *azure.Pages, page *azure.Page, err error) {
	first := known[0]
	if choice, ok := offered.Choose(fullType, known); ok {
		first = choice.Version
	}
	err = EachVersion(first, known, func(version string) error {
		pages = m.Client.List(path, version, params)
		page, err = pages.Next(ctx)
		if params != nil && errors.Is(err, azure.ErrRefused) {
			pages = m.Client.List(path, version, nil)
			page, err = pages.Next(ctx)
		}
		return err
	})
	return pages, page, err
}

// Choose picks an api-version of a type for a subscription, of those that are known. What
// is not offered to it is tried with the version that others are offered; what the stamp
// does not list at all, such as some collections below resources, with the version of what
// is above it, and with the newest known one at last.
func (m *Manager) Choose(fullType string, versions []string, subscription, above string) (version string, offered bool) {
	if choice, ok := m.Offers(subscription).Choose(fullType, versions); ok {
		return choice.Version, true
	}
	if choice, ok := m.Anywhere.Choose(fullType, versions); ok {
		return choice.Version, false
	}
	if above != "" {
		if choice, ok := m.Anywhere.Choose(above, versions); ok && choice.Known {
			return choice.Version, false
		}
	}
	return slices.Max(versions), false
}

// resourceVersions are those of the resource manager's own list.
var resourceVersions = []string{"2019-10-01", "2018-05-01", "2016-09-01"}

// resourcesVersion is the api-version of the resource manager's own list.
func (m *Manager) resourcesVersion(subscription string) string {
	if choice, ok := m.Offers(subscription).Choose("Microsoft.Resources/resources", resourceVersions); ok {
		return choice.Version
	}
	return resourceVersions[0]
}

// Resources begins the resource manager's own list.
func (m *Manager) Resources(ctx context.Context, subscription string, params url.Values) (*azure.Pages, *azure.Page, error) {
	return m.listKnown(ctx, m.Offers(subscription), "Microsoft.Resources/resources", resourceVersions, "/subscriptions/"+subscription+"/resources", params)
}

// VersionsFor are the api-versions with which a type that no row knows may be read: the
// one that is offered, or else those of the same provider.
func (m *Manager) VersionsFor(fullType, subscription string) []string {
	for _, offers := range []*azure.Offers{m.Offers(subscription), m.Anywhere} {
		if choice, ok := offers.Choose(fullType, nil); ok {
			return []string{choice.Version}
		}
	}
	if siblings := m.Anywhere.Siblings(fullType); len(siblings) > 0 {
		return slices.Clone(siblings[:min(len(siblings), 3)])
	}
	return []string{m.resourcesVersion(subscription)}
}

// TryGroup calls try with the api-versions of resource groups until the stamp takes one.
func (m *Manager) TryGroup(try func(version string) error) error {
	version := groupVersions[0]
	if choice, ok := m.Anywhere.Choose(GroupType, groupVersions); ok {
		version = choice.Version
	}
	return EachVersion(version, groupVersions, try)
}
