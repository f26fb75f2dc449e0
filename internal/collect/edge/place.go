package edge

import (
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/azure/scan"
)

// Parent is the ID of what a resource lies in, in the form of [resourceid.Key]: the
// resource of which it is a child or an extension, the resource group, or the
// subscription. It reports false for what lies in nothing, such as a subscription.
//
// Locations, and the steps that IDs have below them, are no resources: what lies in a
// location lies in the subscription. What a vault holds lies in the vault.
func Parent(id string) (string, bool) {
	segments := strings.Split(strings.TrimPrefix(resourceid.Key(id), "/"), "/")
	parent := len(segments) - 2
	// The provider stands where a type would: at an even place.
	if at := lastProvider(segments); at >= 0 {
		behind := segments[at+1:] // the provider, types and names
		switch {
		case len(behind) <= 3 || behind[1] == "locations":
			parent = at
		case behind[0] == "microsoft.keyvault" && behind[1] == "vaults":
			parent = at + 4
		case len(behind)%2 == 0: // the only one of its type, without a name
			parent++
		}
	} else if len(segments)%2 != 0 {
		parent++
	}
	if parent <= 0 {
		return "", false
	}
	return "/" + strings.Join(segments[:parent], "/"), true
}

// lastProvider is where the last provider of an ID begins, -1 for nowhere.
func lastProvider(segments []string) int {
	for i := len(segments) - 2; i >= 0; i-- {
		if segments[i] == "providers" {
			return i
		}
	}
	return -1
}

// wholeTypes are types, in lower case, whose documents hold all that their IDs have
// children for. A type that lies below another one comes first.
var wholeTypes = []string{
	"microsoft.network/loadbalancers", "microsoft.network/networkinterfaces", "microsoft.network/virtualnetworkgateways", "microsoft.network/applicationgateways",
	"microsoft.compute/virtualmachinescalesets/virtualmachines",
}

// Whole is the ID of the document in which a resource stands: the resource's own, or that
// of the resource of which it is a part and no more, such as the load balancer of an
// address pool. Other resources that lie below one have documents.
func Whole(id string) string {
	at := strings.LastIndex(id, providers)
	if at < 0 {
		return id
	}
	behind := strings.Split(id[at+len(providers):], "/")
	for _, whole := range wholeTypes {
		// The provider, and a type and a name for each type.
		size := 1 + 2*strings.Count(whole, "/")
		if len(behind) > size && typesOf(behind[:size]) == whole {
			return id[:at+len(providers)] + strings.Join(behind[:size], "/")
		}
	}
	return id
}

// typesOf leaves out the names.
func typesOf(behind []string) string {
	full := strings.ToLower(behind[0])
	for i := 1; i < len(behind); i += 2 {
		full += "/" + strings.ToLower(behind[i])
	}
	return full
}

// Names reports whether a document, in the shape in which stamps give it, names a part of
// itself: that of a load balancer lists the address pool …/backendAddressPools/y as an
// element y of properties.backendAddressPools. Instances of scale sets name few of theirs.
func Names(document []byte, part string) bool {
	part = resourceid.Key(part)
	behind, ok := strings.CutPrefix(part, Whole(part)+"/")
	if !ok {
		return false
	}
	object := gjson.ParseBytes(scan.Trim(document))
	segments := strings.Split(behind, "/")
	for i := 0; i+1 < len(segments); i += 2 {
		if object = element(jsondoc.Member(jsondoc.Member(object, "properties"), segments[i]), segments[i+1]); !object.Exists() {
			return false
		}
	}
	return len(segments)%2 == 0
}

// element is the first object of an array that has a name.
func element(array gjson.Result, name string) (found gjson.Result) {
	if !array.IsArray() {
		return found
	}
	array.ForEach(func(_, object gjson.Result) bool {
		if own := jsondoc.Member(object, "name"); own.Type == gjson.String && resourceid.Key(own.Str) == "/"+name {
			found = object
		}
		return !found.Exists()
	})
	return found
}
