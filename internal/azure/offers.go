package azure

import (
	"context"
	"errors"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/fault"
)

// coreVersions are the api-versions of the resource manager's own collections that
// are known to this program, newest first.
var coreVersions = []string{"2019-10-01", "2018-05-01", "2016-06-01", "2016-02-01", "2015-11-01"}

// Limits of what is remembered of the resource manager's own lists.
const (
	maxSubscriptions     = 20_000
	maxSubscriptionBytes = 16 << 20
	maxProviders         = 10_000
	maxTexts             = 1000    // versions of a type, or places
	maxText              = 1 << 10 // bytes of the name of a type, of a version or of a place
	maxSubscriptionID    = 128
	maxProviderBytes     = 2 << 20  // one provider with its types
	maxProvidersBytes    = 24 << 20 // all that is offered to a subscription
)

var versionPattern = regexp.MustCompile(`\b\d{4}-\d{2}-\d{2}(-preview|-alpha|-beta)?\b`)

// negotiate calls fn with known api-versions of the resource manager's own
// collections until the stamp takes one, and then with the ones that the stamp names
// in its refusal.
func (c *Client) negotiate(fn func(version string) error) error {
	var refusal error
	for _, version := range coreVersions {
		if refusal = fn(version); !errors.Is(refusal, ErrVersionRefused) {
			return refusal
		}
	}
	var said *AnswerError
	if errors.As(refusal, &said) {
		offered := versionPattern.FindAllString(said.Message, 64)
		slices.Sort(offered)
		for _, version := range slices.Backward(offered) {
			if slices.Contains(coreVersions, version) {
				continue
			}
			if err := fn(version); !errors.Is(err, ErrVersionRefused) {
				return err
			}
		}
	}
	return refusal
}

// Offers is what a resource manager's providers offer: types with their api-versions
// and places. It does not change once it was read.
type Offers struct {
	types map[string]offer // by full type in lower case
	vague []string         // namespaces that name no type
	short []string         // namespaces with types that say no name
	large string           // a type with more or longer texts than are taken
	bytes int              // about what is remembered of all this
}

// Bytes is about what is remembered of it, 0 of nil.
func (o *Offers) Bytes() int {
	if o == nil {
		return 0
	}
	return o.bytes
}

type offer struct {
	name      string // Microsoft.Compute/virtualMachines, as the stamp writes it
	versions  []string
	locations []string
}

func (o offer) bytes() int {
	n := len(o.name) + 160
	for _, texts := range [][]string{o.versions, o.locations} {
		for _, text := range texts {
			n += len(text) + 24
		}
	}
	return n
}

// Offers asks what is offered to a subscription. Providers that are not registered
// are among the answer, since what they offer does not depend on that. A provider may
// name no type, and a type no api-version.
func (c *Client) Offers(ctx context.Context, subscription string) (*Offers, error) {
	o := &Offers{}
	memory, counted := memoryOf(ctx), 0
	err := c.negotiate(func(version string) error {
		memory.Give(counted)
		*o, counted = Offers{types: map[string]offer{}}, 0
		size, providers := 0, 0
		pages := c.List("/subscriptions/"+subscription+"/providers", version, nil)
		for {
			page, err := pages.Next(ctx)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			for _, provider := range page.Items {
				size, providers = size+len(provider), providers+1
				if len(provider) > maxProviderBytes || size > maxProvidersBytes || providers > maxProviders {
					return fault.Newf(fault.LimitExceeded, "list %s /subscriptions/%s/providers: there are more than %d, one has more than %d bytes, or all have more than %d",
						c.name, subscription, maxProviders, maxProviderBytes, maxProvidersBytes)
				}
				if err := o.add(provider); err != nil {
					return fault.New(fault.SourceInvalid, "list "+c.name+" /subscriptions/"+subscription+"/providers", err)
				}
				if o.large != "" {
					return fault.Newf(fault.LimitExceeded, "list %s /subscriptions/%s/providers: %s has more than %d versions or places, or a name of more than %d bytes", c.name, subscription, brief(o.large), maxTexts, maxText)
				}
				if err := memory.Take(o.bytes - counted); err != nil {
					return err
				}
				counted = o.bytes
			}
		}
	})
	if err != nil {
		memory.Give(counted)
		return nil, err
	}
	return o, nil
}

// add takes a provider. One that comes twice offers what both say. A type that cannot be
// read makes the provider one that does not name all it has.
func (o *Offers) add(provider []byte) error {
	object := gjson.ParseBytes(provider)
	namespace := text(object, "namespace")
	if id := resourceid.Normal(text(object, "id")); namespace == "" {
		if at := strings.LastIndexByte(id, '/'); at >= len("/providers") && strings.EqualFold(id[at-len("/providers"):at], "/providers") {
			namespace = id[at+1:]
		}
	}
	if namespace == "" {
		return errors.New("an element has no namespace")
	}
	namespace = strings.Clone(namespace) // not with the answer that it is a part of
	named, unread := false, false
	if types := jsondoc.Member(object, "resourceTypes"); types.IsArray() {
		types.ForEach(func(_, t gjson.Result) bool {
			short := text(t, "resourceType")
			if short == "" {
				unread = true
				return true
			}
			named = true
			o.join(offer{name: namespace + "/" + short, versions: textsIn(jsondoc.Member(t, "apiVersions")), locations: textsIn(jsondoc.Member(t, "locations"))})
			return o.large == ""
		})
	}
	switch {
	case unread:
		o.note(&o.short, namespace)
	case !named:
		o.note(&o.vague, namespace)
	}
	return nil
}

// note keeps a namespace once.
func (o *Offers) note(list *[]string, namespace string) {
	if len(namespace) > maxText {
		o.large = namespace
		return
	}
	if !slices.Contains(*list, namespace) {
		*list = append(*list, namespace)
		o.bytes += len(namespace) + 32
	}
}

// join adds what is offered of one type.
func (o *Offers) join(found offer) {
	key := strings.ToLower(found.name)
	known, ok := o.types[key]
	if ok {
		o.bytes -= known.bytes() + len(key)
	} else {
		known.name = found.name
	}
	known.versions = union(known.versions, found.versions)
	known.locations = union(known.locations, found.locations)
	long := func(text string) bool { return len(text) > maxText }
	if max(len(known.versions), len(known.locations)) > maxTexts || long(found.name) || slices.ContainsFunc(found.versions, long) || slices.ContainsFunc(found.locations, long) {
		o.large = found.name
	}
	slices.SortFunc(known.versions, newestFirst)
	o.types[key] = known
	o.bytes += known.bytes() + len(key)
}

// Join is what any of several subscriptions is offered. Nil stands for nothing.
func Join(all ...*Offers) *Offers {
	joined := &Offers{types: map[string]offer{}}
	for i, o := range all {
		if o == nil || slices.Contains(all[:i], o) {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(o.types)) {
			joined.join(o.types[key])
		}
		for _, namespace := range o.vague {
			joined.note(&joined.vague, namespace)
		}
		for _, namespace := range o.short {
			joined.note(&joined.short, namespace)
		}
	}
	return joined
}

// Equal reports whether two subscriptions are offered the same.
func (o *Offers) Equal(other *Offers) bool {
	return slices.Equal(o.vague, other.vague) && slices.Equal(o.short, other.short) && maps.EqualFunc(o.types, other.types, func(a, b offer) bool {
		return a.name == b.name && slices.Equal(a.versions, b.versions) && slices.Equal(a.locations, b.locations)
	})
}

// Empty reports whether nothing is offered, which no stamp means.
func (o *Offers) Empty() bool { return len(o.types) == 0 }

// Vague are the namespaces that do not name all of their types, sorted: what they have
// cannot be known from here.
func (o *Offers) Vague() []string {
	named := map[string]bool{}
	for fullType := range o.types {
		namespace, _, _ := strings.Cut(fullType, "/")
		named[namespace] = true
	}
	all := slices.DeleteFunc(slices.Clone(o.vague), func(namespace string) bool { return named[strings.ToLower(namespace)] })
	all = append(all, o.short...)
	slices.Sort(all)
	return slices.Compact(all)
}

// union leaves both alone.
func union(a, b []string) []string {
	all := slices.Clone(a)
	known := make(map[string]bool, len(a)+len(b))
	for _, text := range a {
		known[text] = true
	}
	for _, text := range b {
		if !known[text] {
			known[text] = true
			all = append(all, text)
		}
	}
	return all
}

func textsIn(list gjson.Result) []string {
	var all []string
	if !list.IsArray() {
		return nil
	}
	list.ForEach(func(_, element gjson.Result) bool {
		if element.Type == gjson.String && element.Str != "" {
			all = append(all, strings.Clone(element.Str)) // not with the answer that it is a part of
		}
		return true
	})
	return all
}

// newestFirst orders api-versions: 2020-06-01 before 2020-06-01-preview before
// 2019-12-01.
func newestFirst(a, b string) int {
	if date := strings.Compare(b[:min(len(b), 10)], a[:min(len(a), 10)]); date != 0 {
		return date
	}
	return strings.Compare(a, b)
}

// Types are the full types that are offered, sorted, as the stamp writes them.
func (o *Offers) Types() []string {
	all := make([]string, 0, len(o.types))
	for _, t := range o.types {
		all = append(all, t.name)
	}
	slices.Sort(all)
	return all
}

// Locations are where a full type is said to be, as the stamp writes them.
func (o *Offers) Locations(fullType string) []string {
	return o.types[strings.ToLower(fullType)].locations
}

// Siblings are the api-versions that types of the same provider are offered at, newest
// first: what a type may be read with that is there and not offered.
func (o *Offers) Siblings(fullType string) []string {
	namespace, _, _ := strings.Cut(fullType, "/")
	var all []string
	for _, t := range o.types {
		if of, _, _ := strings.Cut(t.name, "/"); strings.EqualFold(of, namespace) {
			all = union(all, t.versions)
		}
	}
	slices.SortFunc(all, newestFirst)
	return all
}

// Choice is the api-version that a type is read with.
type Choice struct {
	Version string
	// Known says that the program was made with this version in mind. Another one is
	// read all the same: bytes are kept as they come.
	Known bool
}

// Choose picks the newest version that is offered for a full type and known; when
// there is none, the newest offered one that is not newer than the newest known one;
// else the oldest offered. Previews count as older than releases of their day. It
// reports false when the type is not offered.
func (o *Offers) Choose(fullType string, known []string) (Choice, bool) {
	offered := o.types[strings.ToLower(fullType)].versions
	if len(offered) == 0 {
		return Choice{}, false
	}
	known = slices.SortedFunc(slices.Values(known), newestFirst)
	for _, version := range offered {
		if slices.Contains(known, version) {
			return Choice{version, true}, true
		}
	}
	if len(known) > 0 {
		for _, version := range offered {
			if newestFirst(known[0], version) < 0 {
				return Choice{version, false}, true
			}
		}
		return Choice{offered[len(offered)-1], false}, true
	}
	for _, version := range offered {
		if len(version) == len("2020-06-01") {
			return Choice{version, false}, true // the newest release, before any preview
		}
	}
	return Choice{offered[0], false}, true
}
