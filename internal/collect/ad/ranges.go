package ad

import (
	"context"
	"fmt"
	"strconv"

	"infrabackup/internal/collect/ad/directory"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/fault"
)

// maxRereads is how often one object with many values may change while it is read.
const maxRereads = 10

// readWhole reads one object with all its values, however many requests that
// takes. The object must not change in between, or the values would not belong
// together. It returns nil when the object is gone.
func (a *asking) readWhole(ctx context.Context, guid, namingContext string) (*found, error) {
	what := "cannot read object " + guid + " from " + a.conn.Host
	for range maxRereads {
		e, err := a.conn.ReadObject(ctx, what, "<GUID="+guid+">", a.attributes(), a.controls...)
		if err != nil || e == nil {
			return nil, err
		}
		f, err := newFound(e, namingContext, a.names)
		if err != nil {
			return nil, err
		}
		same := true
		for _, cut := range f.cut {
			if same, err = a.readRest(ctx, f, cut); err != nil {
				return nil, err
			}
			if !same {
				break
			}
		}
		if same {
			f.cut = nil
			return f, nil
		}
	}
	return nil, fault.Newf(fault.SourceChanging, "%s: it changed %d times while its values were read", what, maxRereads)
}

// readRest reads the values of an attribute that are missing. Same is false when
// the object changed meanwhile.
func (a *asking) readRest(ctx context.Context, f *found, have valueRange) (same bool, err error) {
	what := "cannot read all values of " + have.name + " of " + f.record.DN
	attribute := f.record.Attribute(have.name)
	if attribute == nil || have.low != 0 || len(attribute.Values) != have.high+1 {
		return false, fault.New(fault.SourceIncomplete, what+": the first ones do not fit the range", nil)
	}
	size := f.record.Size()
	for !have.last {
		if size > directory.MaxSmall && a.conn.Large != nil {
			if err := a.conn.Large(); err != nil {
				return false, err
			}
		}
		next, high := have.high+1, "*"
		if a.rangeStep > 0 {
			high = strconv.Itoa(next + a.rangeStep - 1)
		}
		e, err := a.conn.ReadObject(ctx, what, "<GUID="+f.record.GUID+">",
			[]string{"objectGUID", "uSNChanged", fmt.Sprintf("%s;range=%d-%s", have.name, next, high)}, a.controls...)
		if err != nil {
			return false, err
		}
		if e == nil || e.Text("uSNChanged") != strconv.FormatUint(f.changed, 10) {
			return false, nil
		}
		values, got, err := rangeOf(e, have.name)
		if err != nil {
			return false, fault.New(fault.SourceIncomplete, what, err)
		}
		if got.low != next || !got.last && len(values) != got.high-got.low+1 || len(values) == 0 {
			return false, fault.Newf(fault.SourceIncomplete, "%s: asked for those from %d, got %d from %d", what, next, len(values), got.low)
		}
		more := newAttribute(have.name, values, a.names)
		if size += appendValues(attribute, more); size > record.MaxBytes {
			return false, fault.Newf(fault.LimitExceeded, "%s needs a record of more than %d bytes", f.record.DN, record.MaxBytes)
		}
		have.high, have.last = got.high, got.last
	}
	return true, nil
}

// appendValues adds values of the same attribute and estimates what they take in
// JSON.
func appendValues(a *record.Attribute, more record.Attribute) (size int) {
	if more.Targets != nil && a.Targets == nil {
		a.Targets = make([]string, len(a.Values))
	}
	if more.Targets == nil && a.Targets != nil {
		more.Targets = make([]string, len(more.Values))
	}
	a.Values = append(a.Values, more.Values...)
	a.Targets = append(a.Targets, more.Targets...)
	for _, value := range more.Values {
		size += len(value)*4/3 + 8
	}
	return size + 40*len(more.Targets)
}

// rangeOf finds the part of an attribute's values in an answer.
func rangeOf(e *directory.Entry, attribute string) ([][]byte, *valueRange, error) {
	for _, a := range e.Attributes {
		name, r, err := parseRange(a.Name)
		if err != nil {
			return nil, nil, err
		}
		if name == attribute && r != nil {
			return a.Values, r, nil
		}
	}
	return nil, nil, fmt.Errorf("the answer has no range of %s", attribute)
}
