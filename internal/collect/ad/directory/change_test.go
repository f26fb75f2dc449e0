package directory

import (
	"bufio"
	"context"
	"net"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

// server answers one request, which it returns, with an answer of a tag and a code.
func server(t *testing.T, tag ber.Tag, code int64) (*Writer, <-chan *ber.Packet) {
	t.Helper()
	here, there := net.Pipe()
	t.Cleanup(func() { _ = here.Close() })
	got := make(chan *ber.Packet, 1)
	go func() {
		defer close(got)
		defer func() { _ = there.Close() }()
		request, err := ber.ReadPacket(there)
		if err != nil {
			return
		}
		got <- request
		if code < 0 {
			return
		}
		answer := ber.NewSequence("")
		answer.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, request.Children[0].Value.(int64), ""))
		op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
		op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""))
		op.AppendChild(octetString(""))
		op.AppendChild(octetString("says why"))
		answer.AppendChild(op)
		_, _ = there.Write(answer.Bytes())
	}()
	return NewWriter(&Conn{Host: "dc", Limit: maxPlainMessage, raw: here, in: bufio.NewReader(here), stall: time.Minute}), got
}

func TestChanges(t *testing.T) {
	attribute := Attribute{Name: "member", Values: [][]byte{[]byte("a"), []byte("\xff")}}
	for name, row := range map[string]struct {
		request, answer ber.Tag
		do              func(context.Context, *Writer) error
	}{
		"add": {ldap.ApplicationAddRequest, ldap.ApplicationAddResponse, func(ctx context.Context, w *Writer) error {
			return w.Add(ctx, "add", "CN=x", []Attribute{attribute})
		}},
		"modify": {ldap.ApplicationModifyRequest, ldap.ApplicationModifyResponse, func(ctx context.Context, w *Writer) error {
			return w.Modify(ctx, "modify", "CN=x", []Change{{AddValues, attribute}})
		}},
		"delete": {ldap.ApplicationDelRequest, ldap.ApplicationDelResponse, func(ctx context.Context, w *Writer) error { return w.Delete(ctx, "delete", "CN=x") }},
		"rename": {ldap.ApplicationModifyDNRequest, ldap.ApplicationModifyDNResponse, func(ctx context.Context, w *Writer) error {
			return w.Rename(ctx, "rename", "CN=x", "CN=y", "OU=z")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w, got := server(t, row.answer, 0)
			require.NoError(t, row.do(t.Context(), w))
			require.Equal(t, row.request, (<-got).Children[1].Tag)
			w, _ = server(t, row.answer, ldap.LDAPResultEntryAlreadyExists)
			err := row.do(t.Context(), w)
			require.True(t, ldap.IsErrorWithCode(err, ldap.LDAPResultEntryAlreadyExists), "%v", err)
			w, _ = server(t, ldap.ApplicationSearchResultDone, 0)
			require.Error(t, row.do(t.Context(), w), "an answer to something else is none")
			w, _ = server(t, row.answer, -1)
			require.ErrorIs(t, row.do(t.Context(), w), fault.SourceIncomplete)
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			w, _ = server(t, row.answer, 0)
			require.ErrorIs(t, row.do(ended, w), context.Canceled)
		})
	}
}
