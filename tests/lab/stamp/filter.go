package stamp

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
)

// extensionFilter is $filter of role assignments and definitions, policies and locks.
type extensionFilter struct {
	atScope bool // not below
	below   bool // below as well
	keep    func(*entry) bool
}

var (
	principalFilter = regexp.MustCompile(`(?i)^(?:principalId\s+eq\s+'?([^'()]+)'?|assignedTo\('([^']+)'\))$`)
	roleTypeFilter  = regexp.MustCompile(`(?i)^type\s+eq\s+'([^']+)'$`)
	equalsFilter    = regexp.MustCompile(`(?i)^\s*(resourceType|name|resourceGroup|location)\s+eq\s+'([^']*)'\s*$`)
	orWord          = regexp.MustCompile(`(?i)\s+or\s+`)
)

func invalidFilter(text string) *answer {
	return fail(http.StatusBadRequest, "InvalidFilterInQueryString", "Invalid $filter '"+text+"' specified in the query string.")
}

func parseExtensionFilter(text string) (extensionFilter, *answer) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return extensionFilter{}, nil
	case strings.EqualFold(text, "atScope()"):
		return extensionFilter{atScope: true}, nil
	case strings.EqualFold(text, "atScopeAndBelow()"):
		return extensionFilter{below: true}, nil
	}
	if m := principalFilter.FindStringSubmatch(text); m != nil {
		return extensionFilter{keep: propertyIs("principalId", m[1]+m[2])}, nil
	}
	if m := roleTypeFilter.FindStringSubmatch(text); m != nil {
		return extensionFilter{keep: propertyIs("type", m[1])}, nil
	}
	return extensionFilter{}, invalidFilter(text)
}

// propertyIs keeps documents with a property of that value.
func propertyIs(name, value string) func(*entry) bool {
	return func(e *entry) bool {
		var body struct {
			Properties map[string]json.RawMessage `json:"properties"`
		}
		var got string
		_ = json.Unmarshal(e.doc.Body, &body)
		_ = json.Unmarshal(body.Properties[name], &got)
		return strings.EqualFold(got, value)
	}
}

// parseResourceFilter reads $filter of ARM's own list of resources: equalities joined
// by "or".
func parseResourceFilter(text string) (func(*entry) bool, *answer) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	type equality struct{ member, value string }
	var alternatives []equality
	for _, term := range orWord.Split(text, -1) {
		m := equalsFilter.FindStringSubmatch(term)
		if m == nil {
			return nil, invalidFilter(text)
		}
		alternatives = append(alternatives, equality{strings.ToLower(m[1]), strings.ToLower(m[2])})
	}
	return func(e *entry) bool {
		for _, q := range alternatives {
			var got string
			switch q.member {
			case "resourcetype":
				got = e.place.typ
			case "name":
				got = e.place.name
			case "resourcegroup":
				got = e.place.group
			case "location":
				var body struct{ Location string }
				_ = json.Unmarshal(e.doc.Body, &body)
				got = strings.ToLower(body.Location)
			}
			if got == q.value {
				return true
			}
		}
		return false
	}, nil
}
