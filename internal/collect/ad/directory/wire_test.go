package directory

import (
	"bufio"
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/ad/directorytest"
	"infrabackup/tests/tier"
)

// FuzzMessage compares with a general BER parser: what is read here is what that one
// reads, and what that one refuses is refused here too.
func FuzzMessage(f *testing.F) {
	f.Add(directorytest.Message(1, directorytest.Result(ldap.ApplicationSearchResultDone, 0)))
	f.Add(directorytest.Message(7, directorytest.Entry("CN=x", [][2]any{{"member", []string{"a", ""}}, {"cn", []string{}}})))
	f.Add(directorytest.Message(7, directorytest.Result(ldap.ApplicationSearchResultDone, 0), ldap.NewControlPaging(3)))
	f.Add(directorytest.Message(3, directorytest.Reference("ldap://x")))
	f.Add([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff})
	f.Add(directorytest.Numbered(1, directorytest.Nested(100)))
	f.Add(bytes.Repeat([]byte{0x30, 0x80}, 100))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := readMessage(bufio.NewReader(iotest.OneByteReader(bytes.NewReader(data))), 1<<16, nil)
		if err != nil {
			return
		}
		e, err := parseEntry(m.body)
		_ = parseResult(m.body)
		_, _ = parseReference(m.body)
		_, _, _ = pagingCookie(m.controls)
		if err != nil || m.op != tagEntry {
			return
		}
		general, generalErr := ber.ReadPacket(bytes.NewReader(data))
		if generalErr != nil {
			return // it knows more of some types than LDAP gives them
		}
		op := general.Children[1]
		if got := op.Children[0].Data.String(); got != e.DN {
			t.Fatalf("name %q, %q", e.DN, got)
		}
		if len(op.Children[1].Children) != len(e.Attributes) {
			t.Fatalf("%d attributes, %d", len(e.Attributes), len(op.Children[1].Children))
		}
		for i, a := range op.Children[1].Children {
			if got := a.Children[0].Data.String(); got != e.Attributes[i].Name || len(a.Children[1].Children) != len(e.Attributes[i].Values) {
				t.Fatalf("attribute %q, %q", e.Attributes[i].Name, got)
			}
			for j, v := range a.Children[1].Children {
				if !bytes.Equal(v.Data.Bytes(), e.Attributes[i].Values[j]) {
					t.Fatal("another value")
				}
			}
		}
	})
}

// TestRoomIsMadeAsBytesCome: a length that is only promised takes no memory.
func TestRoomIsMadeAsBytesCome(t *testing.T) {
	tier.Weighs(t)
	head := []byte{tagSequence, 0x84, 0x01, 0xff, 0xff, 0xff}
	allocated := testing.Benchmark(func(b *testing.B) {
		for range b.N {
			_, err := readMessage(bufio.NewReader(bytes.NewReader(head)), MaxMessage, nil)
			require.ErrorIs(b, err, io.ErrUnexpectedEOF)
		}
	}).AllocedBytesPerOp()
	require.Less(t, allocated, int64(2<<20))
}
