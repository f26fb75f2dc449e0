package directory

import (
	"context"
	"fmt"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"infrabackup/internal/fault"
)

// Writer changes a directory. Collectors have none: only a restore makes one, with an account
// of its own.
//
// Errors are faults with SOURCE_ codes, as those of reading, around the [ldap.Error] when the
// server answered. Without an answer nobody knows whether the change came about.
type Writer struct{ conn *Conn }

// NewWriter makes a writer that shares a connection with its reader.
func NewWriter(conn *Conn) *Writer { return &Writer{conn} }

// Operation is what becomes of an attribute's values (RFC 4511, 4.6).
type Operation int64

// The operations.
const (
	AddValues     Operation = ldap.AddAttribute
	DeleteValues  Operation = ldap.DeleteAttribute
	ReplaceValues Operation = ldap.ReplaceAttribute
)

// Change is one change of an attribute.
type Change struct {
	Operation Operation
	Attribute
}

// Identifiers of answers.
const (
	tagModifyDone = 0x67 // [APPLICATION 7]
	tagAddDone    = 0x69 // [APPLICATION 9]
	tagDeleteDone = 0x6b // [APPLICATION 11]
	tagRenameDone = 0x6d // [APPLICATION 13]
)

// Add makes an object (RFC 4511, 4.7).
func (w *Writer) Add(ctx context.Context, what, dn string, attributes []Attribute, controls ...ldap.Control) error {
	p := application(ldap.ApplicationAddRequest)
	p.AppendChild(octetString(dn))
	list := ber.NewSequence("")
	for _, a := range attributes {
		list.AppendChild(encodeAttribute(a))
	}
	p.AppendChild(list)
	return w.ask(ctx, what, p, tagAddDone, controls)
}

// Modify makes all changes of an object, or none (RFC 4511, 4.6).
func (w *Writer) Modify(ctx context.Context, what, dn string, changes []Change, controls ...ldap.Control) error {
	p := application(ldap.ApplicationModifyRequest)
	p.AppendChild(octetString(dn))
	list := ber.NewSequence("")
	for _, c := range changes {
		one := ber.NewSequence("")
		one.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(c.Operation), ""))
		one.AppendChild(encodeAttribute(c.Attribute))
		list.AppendChild(one)
	}
	p.AppendChild(list)
	return w.ask(ctx, what, p, tagModifyDone, controls)
}

// Delete removes one object (RFC 4511, 4.8); one that others lie below is refused.
func (w *Writer) Delete(ctx context.Context, what, dn string, controls ...ldap.Control) error {
	p := ber.NewString(ber.ClassApplication, ber.TypePrimitive, ldap.ApplicationDelRequest, dn, "")
	return w.ask(ctx, what, p, tagDeleteDone, controls)
}

// Rename gives an object another name, and another place unless superior is empty (RFC 4511,
// 4.9).
func (w *Writer) Rename(ctx context.Context, what, dn, rdn, superior string, controls ...ldap.Control) error {
	p := application(ldap.ApplicationModifyDNRequest)
	p.AppendChild(octetString(dn))
	p.AppendChild(octetString(rdn))
	p.AppendChild(ber.NewLDAPBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, true, ""))
	if superior != "" {
		p.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, superior, ""))
	}
	return w.ask(ctx, what, p, tagRenameDone, controls)
}

func application(tag ber.Tag) *ber.Packet {
	return ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
}

func encodeAttribute(a Attribute) *ber.Packet {
	p := ber.NewSequence("")
	p.AppendChild(octetString(a.Name))
	set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
	for _, value := range a.Values {
		set.AppendChild(octetString(string(value)))
	}
	p.AppendChild(set)
	return p
}

// ask sends a change and waits for its one answer.
func (w *Writer) ask(ctx context.Context, what string, request *ber.Packet, done byte, controls []ldap.Control) error {
	l := w.conn
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", what, ctx.Err()) // nothing was sent
	}
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	release := l.bindTo(limited)
	defer release()
	silence := time.AfterFunc(l.stall, func() { cancel(errStalled) })
	defer silence.Stop()
	err := l.send(request, controls)
	var m message
	if err == nil {
		m, err = l.receive(nil)
	}
	if err == nil {
		if m.op == done {
			err = parseResult(m.body)
		} else {
			err = malformed("0x%02x as answer to a change", m.op)
		}
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", what, ctx.Err())
	case limited.Err() != nil:
		return fault.New(fault.SourceUnreachable, what, context.Cause(limited))
	}
	return explain(ctx, what, err)
}
