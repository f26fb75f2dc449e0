package rp

import (
	"net/http"
	"net/url"
	"strings"

	"infrabackup/internal/apierror"
	"infrabackup/internal/rp/wire"
)

// version is an api-version of the provider: all that differs between them and is no matter
// of wording.
type version struct {
	name string
	// bit tells the versions apart in sets of them.
	bit versions
	// bothHeaders: every operation has an Azure-AsyncOperation beside its Location; else only
	// pruneExternalStore has.
	bothHeaders bool
	// replaces: PUT replaces the whole store; else it keeps what is absent.
	replaces bool
	// pages: $top and $skip are understood.
	pages bool
	// seconds of Retry-After: of a change, of everything else, and of the polls that follow.
	changeSeconds, beginSeconds, pollSeconds int

	location func(wire.Resource, wire.Store) any
	backup   func(wire.Resource, wire.Backup) any
	// operations of /operations.
	operations []wire.Operation
}

// versions is a set of api-versions.
type versions uint8

const (
	v2016 versions = 1 << iota
	v2018
	v2021

	since2018    = v2018 | v2021
	everyVersion = v2016 | v2018 | v2021
)

// supported are the api-versions, oldest first.
var supported = []*version{
	{name: "2016-05-01", bit: v2016, changeSeconds: 60, beginSeconds: 60, pollSeconds: 60, location: wire.Location16, backup: wire.Backup16},
	{name: "2018-09-01", bit: v2018, pages: true, changeSeconds: 5, beginSeconds: 60, pollSeconds: 60, location: wire.Location18, backup: wire.Backup18, operations: wire.Operations18},
	{name: "2021-09-01", bit: v2021, pages: true, bothHeaders: true, replaces: true, changeSeconds: 5, beginSeconds: 60, pollSeconds: 30,
		location: wire.Location21, backup: wire.Backup18, operations: wire.Operations18},
}

// queryValue returns a query parameter, whose name is matched whatever its case, as Azure
// Resource Manager does.
func queryValue(query url.Values, name string) (string, bool) {
	if v, ok := query[name]; ok && len(v) > 0 {
		return v[0], true
	}
	for key, v := range query {
		if strings.EqualFold(key, name) && len(v) > 0 {
			return v[0], true
		}
	}
	return "", false
}

// apiVersion finds the version that a request asks for among those of a set.
func apiVersion(query url.Values, among versions) (*version, error) {
	text, given := queryValue(query, "api-version")
	if !given || text == "" {
		return nil, &apierror.Error{Status: http.StatusBadRequest, Code: "MissingApiVersionParameter", Target: "api-version",
			Message: "The api-version query parameter (?api-version=) is required for all requests.", Remedy: "Add one of " + versionNames(everyVersion) + "."}
	}
	for _, v := range supported {
		if strings.EqualFold(v.name, text) {
			if v.bit&among == 0 {
				return nil, apierror.NotFound("The operation does not exist at api-version " + v.name + "; it does at " + versionNames(among) + ".")
			}
			return v, nil
		}
	}
	return nil, &apierror.Error{Status: http.StatusBadRequest, Code: "InvalidApiVersionParameter", Target: "api-version",
		Message: "The api-version " + apierror.Quoted(text) + " is invalid. The supported versions are '" + versionNames(everyVersion) + "'.", Remedy: "Use one of them."}
}

func versionNames(of versions) string {
	var names []string
	for _, v := range supported {
		if v.bit&of != 0 {
			names = append(names, v.name)
		}
	}
	return strings.Join(names, ",")
}
