package azure

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/fault"
)

// Subscription is one that the client can see.
type Subscription struct {
	ID       string // GUID, in lower case
	Document []byte // as the stamp gave it
	Version  string // the api-version that gave it
}

// bytes is about what is remembered of it.
func (s Subscription) bytes() int { return len(s.ID) + len(s.Document) + 96 }

// BytesOf is about what is remembered of subscriptions.
func BytesOf(all []Subscription) int {
	n := 0
	for _, s := range all {
		n += s.bytes()
	}
	return n
}

// Subscriptions lists what the client can see, in the stamp's order.
func (c *Client) Subscriptions(ctx context.Context) ([]Subscription, error) {
	var all []Subscription
	memory := memoryOf(ctx)
	err := c.negotiate(func(version string) error {
		memory.Give(BytesOf(all))
		all = nil
		known, size := map[string]bool{}, 0
		pages := c.List("/subscriptions", version, nil)
		for {
			page, err := pages.Next(ctx)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			for _, item := range page.Items {
				id, err := SubscriptionID(item, "list "+c.name+" /subscriptions")
				if err != nil {
					return err
				}
				if known[id] {
					continue
				}
				known[id] = true
				if size += len(item); len(all) == maxSubscriptions || size > maxSubscriptionBytes {
					return fault.Newf(fault.LimitExceeded, "list %s /subscriptions: there are more than %d, or they are larger than %d bytes", c.name, maxSubscriptions, maxSubscriptionBytes)
				}
				one := Subscription{ID: id, Document: bytes.Clone(item), Version: version}
				if err := memory.Take(one.bytes()); err != nil {
					return err
				}
				all = append(all, one)
			}
		}
	})
	if err != nil {
		memory.Give(BytesOf(all))
		return nil, err
	}
	return all, nil
}

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
