package azure

import (
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/fault"
)

// text is a member that is a text, "" for none.
func text(object gjson.Result, name string) string {
	if value := jsondoc.Member(object, name); value.Type == gjson.String {
		return value.Str
	}
	return ""
}

// SubscriptionID is the GUID of a subscription, in lower case, that an element of a list
// of subscriptions is: its "subscriptionId", or else the end of its "id". SOURCE_INVALID
// when it says none, and LIMIT_EXCEEDED when that is too long; what names the list.
func SubscriptionID(element []byte, what string) (string, error) {
	object := gjson.ParseBytes(element)
	id := text(object, "subscriptionId")
	if id == "" {
		path := resourceid.Normal(text(object, "id"))
		id = path[strings.LastIndexByte(path, '/')+1:]
	}
	switch {
	case id == "":
		return "", fault.Newf(fault.SourceInvalid, "%s: an element has neither subscriptionId nor id", what)
	case len(id) > maxSubscriptionID:
		return "", fault.Newf(fault.LimitExceeded, "%s: an ID has %d bytes, and may have %d", what, len(id), maxSubscriptionID)
	}
	return strings.Clone(strings.ToLower(id)), nil // not with the document that it is a part of
}
