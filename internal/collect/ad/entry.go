package ad

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"infrabackup/internal/collect/ad/directory"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/fault"
)

// wholeObject is what is asked of each object. "*" gives everything that is stored
// and readable, but the security descriptor only to some clients.
var wholeObject = []string{"*", "nTSecurityDescriptor"}

// found is an object as one answer gave it, with what is still missing.
type found struct {
	record  record.Record
	guid    [16]byte
	changed uint64 // uSNChanged
	// cut are the attributes of which the server gave only the first values.
	cut []valueRange
}

// newFound makes a record of an answer. Names say which attributes hold names.
func newFound(e *directory.Entry, context string, names nameAttributes) (*found, error) {
	dn, named := splitExtended([]byte(e.DN))
	if len(dn) == 0 || !utf8.Valid(dn) {
		return nil, fault.Newf(fault.SourceInvalid, "an object of %s has a name that is not text: %.100q", context, e.DN)
	}
	f := &found{record: record.Record{DN: string(dn), NamingContext: context}}
	for _, a := range e.Attributes {
		if err := f.add(a, names); err != nil {
			return nil, err
		}
	}
	raw := f.record.Value("objectGUID")
	guid, ok := record.FormatGUID([]byte(raw))
	if !ok || named != "" && named != guid {
		return nil, fault.Newf(fault.SourceInvalid, "%s has no objectGUID, or two", dn)
	}
	f.guid = [16]byte([]byte(raw))
	f.record.GUID = guid
	f.record.Deleted = f.record.Has("isDeleted", "TRUE")
	changed, err := strconv.ParseUint(f.record.Value("uSNChanged"), 10, 64)
	if err != nil {
		return nil, fault.New(fault.SourceAccessDenied, fmt.Sprintf("%s shows no uSNChanged to the account", dn), err)
	}
	f.changed = changed
	slices.SortFunc(f.record.Attributes, func(a, b record.Attribute) int { return strings.Compare(a.Name, b.Name) })
	return f, nil
}

// add takes an attribute of the answer.
func (f *found) add(a directory.Attribute, names nameAttributes) error {
	name, cut, err := parseRange(a.Name)
	if err != nil {
		return fault.New(fault.SourceInvalid, f.record.DN, err)
	}
	if cut != nil && (!cut.last || cut.low != 0) { // the end of the values is no more whole than their beginning
		cut.name = name
		f.cut = append(f.cut, *cut)
	}
	if len(a.Values) == 0 {
		return nil // such as the empty member that stands beside member;range=0-1499
	}
	if !record.ValidAttributeName(name) {
		return fault.Newf(fault.SourceInvalid, "%s has an attribute named %.40q", f.record.DN, name)
	}
	if slices.ContainsFunc(f.record.Attributes, func(other record.Attribute) bool { return other.Name == name }) {
		return fault.Newf(fault.SourceInvalid, "%s has attribute %s twice", f.record.DN, name)
	}
	f.record.Attributes = append(f.record.Attributes, newAttribute(name, a.Values, names))
	return nil
}

// newAttribute splits names from GUIDs where the attribute holds names.
func newAttribute(name string, values [][]byte, names nameAttributes) record.Attribute {
	base, _, _ := strings.Cut(strings.ToLower(name), ";")
	if !names[base] {
		return record.Attribute{Name: name, Values: values}
	}
	a := record.Attribute{Name: name, Values: make([][]byte, len(values)), Targets: make([]string, len(values))}
	any := false
	for i, value := range values {
		a.Values[i], a.Targets[i] = splitExtended(value)
		any = any || a.Targets[i] != ""
	}
	if !any {
		a.Targets = nil
	}
	return a
}

// splitExtended takes <GUID=…>;<SID=…>;CN=… apart (MS-ADTS 3.1.1.3.4.1.5). What
// stands in front of it in values of DN-Binary and DN-String, such as B:8:0001:,
// stays. A value that is not of this form is returned as it is: in a distinguished
// name no < stands unescaped (RFC 4514, 2.4).
func splitExtended(value []byte) (plain []byte, guid string) {
	const begin = "<GUID="
	prefix := record.NamePrefix(value)
	if prefix < 0 {
		return value, ""
	}
	rest := value[prefix:]
	if !bytes.HasPrefix(rest, []byte(begin)) {
		return value, ""
	}
	end := bytes.Index(rest, []byte(">;"))
	if end < 0 {
		return value, ""
	}
	guid = strings.ToLower(string(rest[len(begin):end]))
	if !record.ValidGUID(guid) {
		return value, ""
	}
	for rest = rest[end+2:]; len(rest) > 0 && rest[0] == '<'; rest = rest[end+2:] {
		if end = bytes.Index(rest, []byte(">;")); end < 0 {
			return value, ""
		}
	}
	if prefix == 0 {
		return rest, guid
	}
	return slices.Concat(value[:prefix], rest), guid
}

// valueRange is what a name such as member;range=0-1499 says (MS-ADTS
// 3.1.1.3.1.3.3): which of the attribute's values are there.
type valueRange struct {
	name      string
	low, high int
	last      bool // the high end is *, nothing follows
}

// parseRange takes the option off an attribute's name. It returns nil for a name
// without.
func parseRange(attribute string) (name string, r *valueRange, err error) {
	const option = ";range="
	at := 0
	for ; ; at++ {
		next := strings.IndexByte(attribute[at:], ';')
		if next < 0 {
			return attribute, nil, nil
		}
		at += next
		if len(attribute)-at >= len(option) && strings.EqualFold(attribute[at:at+len(option)], option) {
			break
		}
	}
	bounds, further, _ := strings.Cut(attribute[at+len(option):], ";")
	name = attribute[:at]
	if further != "" {
		name += ";" + further
	}
	low, high, ok := strings.Cut(bounds, "-")
	r = &valueRange{last: high == "*"}
	var lowErr, highErr error
	r.low, lowErr = strconv.Atoi(low)
	if !r.last {
		r.high, highErr = strconv.Atoi(high)
	}
	if !ok || lowErr != nil || highErr != nil || r.low < 0 || !r.last && r.high < r.low {
		return "", nil, fmt.Errorf("the server gave the attribute %.80q, whose range makes no sense", attribute)
	}
	return name, r, nil
}
