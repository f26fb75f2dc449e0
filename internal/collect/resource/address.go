package resource

import (
	"strings"

	"infrabackup/internal/azure"
	"infrabackup/internal/fault"
)

// PathOf is the form in which an address is asked for, [azure.NormalID]: stamps write one
// address in several ways. The case of letters stays.
func PathOf(id string) string { return azure.NormalID(id) }

// IDOf is the form in which addresses are compared, [azure.IDKey].
func IDOf(id string) string { return azure.IDKey(id) }

// maxAddress bounds an ID, in bytes. Resource managers take addresses of 2 KiB.
const maxAddress = 8 << 10

// maxName bounds a name that becomes a part of addresses.
const maxName = 1 << 10

func tooLong(text string) error {
	return fault.Newf(fault.LimitExceeded, "an ID or a name has %d bytes, which is too long: %.100q…", len(text), text)
}

// address names a document of an endpoint.
func address(endpoint azure.Endpoint, id string) string { return string(endpoint) + " " + IDOf(id) }

// subscriptionIn is the subscription below which an ID lies, "" for none.
func subscriptionIn(id string) string { return strings.ToLower(subscriptionOf(id)) }

// subscriptionOf is the same as the ID writes it. Letters in lower case may have more or
// fewer bytes, so only this one says where in an ID something stands.
func subscriptionOf(id string) string {
	rest, ok := cutPrefixFold(id, "/subscriptions/")
	if !ok {
		return ""
	}
	subscription, _, _ := strings.Cut(rest, "/")
	return subscription
}

// groupIn is the resource group below which an ID lies, as its path; "" for none.
func groupIn(id string) string {
	subscription := subscriptionOf(id)
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

// lastIndexFold is where prefix begins for the last time, whatever the case of its
// letters; -1 for nowhere. Prefix has ASCII only, and so has what equals it in as many
// bytes.
func lastIndexFold(s, prefix string) int {
	for i := len(s) - len(prefix); i >= 0; i-- {
		if s[i] == prefix[0] && strings.EqualFold(s[i:i+len(prefix)], prefix) {
			return i
		}
	}
	return -1
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
