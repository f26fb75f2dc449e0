package azure

import (
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/fault"
)

// Member is a member of an object, by its name or, where there is none of that name,
// by one in other letters: providers do not agree about them.
func Member(object gjson.Result, name string) gjson.Result {
	var exact, folded gjson.Result
	if !object.IsObject() {
		return exact
	}
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

// text is a member that is a text, "" for none.
func text(object gjson.Result, name string) string {
	if value := Member(object, name); value.Type == gjson.String {
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
