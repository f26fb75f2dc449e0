package resource

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
	named := versionPattern.FindAllString(saidBy(err).Message, 8)
	slices.Sort(named)
	slices.Reverse(named)
	return slices.Compact(named)
}

// eachVersion calls try with an api-version and, while the stamp does not take it, with
// the known ones, newest first, and those that its first refusal names. The error is that
// refusal when it takes none.
func eachVersion(first string, known []string, try func(version string) error) error {
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
func (m *manager) listKnown(ctx context.Context, offered *azure.Offers, fullType string, known []string, path string, params url.Values) (pages *azure.Pages, page *azure.Page, err error) {
	first := known[0]
	if choice, ok := offered.Choose(fullType, known); ok {
		first = choice.Version
	}
	err = eachVersion(first, known, func(version string) error {
		pages = m.client.List(path, version, params)
		page, err = pages.Next(ctx)
		if params != nil && errors.Is(err, azure.ErrRefused) {
			pages = m.client.List(path, version, nil)
			page, err = pages.Next(ctx)
		}
		return err
	})
	return pages, page, err
}
