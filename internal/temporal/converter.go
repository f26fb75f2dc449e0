package temporal

import (
	"encoding/json"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"

	"infrabackup/internal/codec"
	"infrabackup/internal/fault"
)

// stampKey is where a letter's stamp stands in the payload that is encrypted.
const stampKey = "infrabackup-stamp"

// ConverterOption changes what a converter takes.
type ConverterOption func(*dataConverter)

// TakeOutdated makes a converter take payloads of the form that had no place, as
// [codec.Delivery.Outdated]. It is for the process that converts them, and for none that
// does anything else.
func TakeOutdated() ConverterOption { return func(d *dataConverter) { d.outdated = true } }

// DataConverter converts values as the SDK does by default, encrypts them for the place
// that the SDK's serialization context names (namespace, workflow ID and, for what an
// activity takes and gives, its type), and refuses whatever is not encrypted for the
// place where it is read. A [codec.Letter] is taken apart by a [codec.Receiver] only, and
// nothing else by that.
func DataConverter(c *codec.Codec, options ...ConverterOption) converter.DataConverter {
	d := &dataConverter{parent: converter.GetDefaultDataConverter(), codec: c}
	for _, set := range options {
		set(d)
	}
	return d
}

type dataConverter struct {
	parent   converter.DataConverter
	codec    *codec.Codec
	place    string // empty where the SDK names none
	outdated bool
}

var _ converter.DataConverterWithSerializationContext = (*dataConverter)(nil)

// WithSerializationContext implements converter.DataConverterWithSerializationContext.
func (d *dataConverter) WithSerializationContext(at converter.SerializationContext) converter.DataConverter {
	placed := *d
	placed.place = placeOf(at)
	return &placed
}

// placeOf writes a place so that no two have one text. It stands in the metadata, in
// clear: Temporal knows all of it anyhow.
func placeOf(at converter.SerializationContext) string {
	var parts []string
	switch at := at.(type) {
	case converter.WorkflowSerializationContext:
		parts = []string{"workflow", at.Namespace, at.WorkflowID}
	case converter.ActivitySerializationContext:
		parts = []string{"activity", at.Namespace, at.WorkflowID, at.WorkflowType, at.ActivityType}
	default:
		parts = []string{fmt.Sprintf("%T", at)}
	}
	text, err := json.Marshal(parts)
	if err != nil {
		return "" // strings always marshal; where nothing belongs, nothing is taken
	}
	return string(text)
}

// ToPayload implements converter.DataConverter.
func (d *dataConverter) ToPayload(value any) (*commonpb.Payload, error) {
	stamp := ""
	if letter, ok := value.(codec.Letter); ok {
		if d.place == "" {
			return nil, fault.Newf(fault.Internal, "%T would be sealed without a place", value)
		}
		stamp, value = letter.Letter()
	}
	p, err := d.parent.ToPayload(value)
	if err != nil || p == nil {
		return p, err
	}
	if stamp != "" {
		p.Metadata[stampKey] = []byte(stamp)
	}
	return d.codec.Seal(d.place, p)
}

// FromPayload implements converter.DataConverter.
func (d *dataConverter) FromPayload(p *commonpb.Payload, to any) error {
	receiver, wanted := to.(codec.Receiver)
	if p == nil && !wanted {
		return nil
	}
	found, err := d.open(p)
	if wanted {
		receiver.Receive(found.delivery(d.parent, err))
		return nil
	}
	switch {
	case err != nil:
		return err
	case found.outdated:
		return fault.Newf(fault.PayloadOutdated, "a payload has the form of an earlier version")
	case found.stamp != "":
		return fault.Newf(fault.PayloadRefused, "a payload arrived as something else than it was created for")
	}
	return d.parent.FromPayload(found.payload, to)
}

// opened is a payload that was decrypted.
type opened struct {
	payload  *commonpb.Payload
	stamp    string
	outdated bool
}

func (d *dataConverter) open(p *commonpb.Payload) (opened, error) {
	if d.outdated && codec.Outdated(p) {
		plain, err := d.codec.OpenOutdated(p)
		return opened{payload: plain, outdated: true}, err
	}
	plain, err := d.codec.Open(d.place, p)
	return opened{payload: plain, stamp: string(plain.GetMetadata()[stampKey])}, err
}

func (o opened) delivery(parent converter.DataConverter, err error) codec.Delivery {
	if err == nil && o.stamp == "" && !o.outdated {
		err = fault.Newf(fault.PayloadRefused, "a payload arrived as something else than it was created for")
	}
	if err != nil {
		return codec.Delivery{Err: err}
	}
	return codec.Delivery{
		Outdated: o.outdated, Stamp: o.stamp,
		Decode: func(body any) error { return parent.FromPayload(o.payload, body) },
	}
}

// ToPayloads implements converter.DataConverter.
func (d *dataConverter) ToPayloads(values ...any) (*commonpb.Payloads, error) {
	if len(values) == 0 {
		return nil, nil
	}
	all := &commonpb.Payloads{}
	for i, value := range values {
		p, err := d.ToPayload(value)
		if err != nil {
			return nil, fmt.Errorf("value %d: %w", i, err)
		}
		all.Payloads = append(all.Payloads, p)
	}
	return all, nil
}

// FromPayloads implements converter.DataConverter. A receiver for which there is no
// payload stays as it is; one of several payloads is told that there are too many.
func (d *dataConverter) FromPayloads(payloads *commonpb.Payloads, to ...any) error {
	given := payloads.GetPayloads()
	extra := max(0, len(given)-len(to))
	for i, p := range given[:len(given)-extra] {
		if receiver, ok := to[i].(codec.Receiver); ok && extra > 0 {
			receiver.Receive(codec.Delivery{Err: fault.Newf(fault.PayloadRefused, "%d payloads too many arrived", extra)})
			continue
		}
		if err := d.FromPayload(p, to[i]); err != nil {
			return fmt.Errorf("payload %d: %w", i, err)
		}
	}
	return nil
}

// ToString implements converter.DataConverter.
func (d *dataConverter) ToString(p *commonpb.Payload) string {
	found, err := d.open(p)
	if err != nil {
		return err.Error()
	}
	return d.parent.ToString(found.payload)
}

// ToStrings implements converter.DataConverter.
func (d *dataConverter) ToStrings(payloads *commonpb.Payloads) []string {
	var texts []string
	for _, p := range payloads.GetPayloads() {
		texts = append(texts, d.ToString(p))
	}
	return texts
}
