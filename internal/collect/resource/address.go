package resource

import (
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/scan"
)

// PathOf is the form in which an address is asked for, [azure.NormalID]: stamps write one
// address in several ways. The case of letters stays.
func PathOf(id string) string { return azure.NormalID(id) }

// IDOf is the form in which addresses are compared, [azure.IDKey].
func IDOf(id string) string { return azure.IDKey(id) }

// address names a document of an endpoint.
func address(endpoint azure.Endpoint, id string) string { return string(endpoint) + " " + IDOf(id) }

// subscriptionIn is the subscription below which an ID lies, "" for none.
func subscriptionIn(id string) string {
	rest, ok := cutPrefixFold(id, "/subscriptions/")
	if !ok {
		return ""
	}
	subscription, _, _ := strings.Cut(rest, "/")
	return strings.ToLower(subscription)
}

// groupIn is the resource group below which an ID lies, as its path; "" for none.
func groupIn(id string) string {
	subscription := subscriptionIn(id)
	if subscription == "" {
		return ""
	}
	rest, ok := cutPrefixFold(id[len("/subscriptions/")+len(subscription):], "/resourcegroups/")
	if !ok {
		return ""
	}
	group, _, _ := strings.Cut(rest, "/")
	if group == "" {
		return ""
	}
	return id[:len("/subscriptions/")+len(subscription)+len("/resourcegroups/")+len(group)]
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// memberOf is a member of an object, by its name or, where there is none of that name,
// by one in other letters: providers do not agree about them.
func memberOf(object gjson.Result, name string) gjson.Result {
	var exact, folded gjson.Result
	object.ForEach(func(key, value gjson.Result) bool {
		switch {
		case key.Str == name:
			exact = value
			return false
		case !folded.Exists() && strings.EqualFold(key.Str, name):
			folded = value
		}
		return true
	})
	if exact.Exists() {
		return exact
	}
	return folded
}

// stringOf is one member of a document, "" when it is no text.
func stringOf(document []byte, name string) string {
	if value := gjson.GetBytes(document, name); value.Type == gjson.String {
		return value.Str
	}
	if value := memberOf(gjson.ParseBytes(scan.Trim(document)), name); value.Type == gjson.String {
		return value.Str
	}
	return ""
}

// MemberOf is a member of a document that is a text, "" when there is none. The letters
// of its name compare without case where the name itself is not there.
func MemberOf(document []byte, name string) string { return stringOf(document, name) }
