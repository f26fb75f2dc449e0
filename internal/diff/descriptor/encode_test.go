package descriptor

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/ad/record"
)

func encoded(t testing.TB, d *Descriptor) *Descriptor {
	t.Helper()
	raw, err := d.Encode()
	require.NoError(t, err)
	return parse(t, raw)
}

func TestEncode(t *testing.T) {
	condition := append(append([]byte("artx\x51"), byte(len(user(7))), 0, 0, 0), user(7)...)
	d := parse(t, build(0x1400, user(500), sid(32, 544), [][]byte{
		ace(0, 0x12, 0xf01ff, user(512)), ace(5, 0, 0x100, sid(11), guidA, guidB), ace(6, 0, 0x10, sid(11), "", guidB), ace(0x42, 1, 7, nil), ace(9, 0, 1, append(sid(11), condition...)),
	}))
	d.Control |= selfRelative
	require.Equal(t, d, encoded(t, d), "what is written is what was read")

	own := encoded(t, d.Own())
	require.Len(t, own.DACL.Entries, 4, "without what came from a parent")
	require.Equal(t, uint16(selfRelative|daclPresent|daclProtected), own.Control)
	require.Equal(t, PartOwner|PartGroup|PartDACL, own.Parts())
	require.Equal(t, []string{"s-1-5-11", "s-1-5-21-1-2-3-500", "s-1-5-21-1-2-3-7", "s-1-5-32-544"}, own.SIDs())

	_, err := own.Mapped(func(sid string) string { return sid + "0" })
	var hidden *HiddenError
	require.ErrorAs(t, err, &hidden)
	require.Equal(t, "s-1-5-21-1-2-3-7", hidden.SID, "a SID in a condition is not replaced, nor left")
	mapped, err := own.Mapped(func(sid string) string {
		if sid == "s-1-5-21-1-2-3-500" {
			return "S-1-5-21-7-8-9-500"
		}
		return sid
	})
	require.NoError(t, err)
	require.Equal(t, "s-1-5-21-7-8-9-500", encoded(t, mapped).Owner)
	require.Equal(t, "s-1-5-21-1-2-3-500", own.Owner, "it was not changed")

	require.Equal(t, &Descriptor{Control: selfRelative}, encoded(t, &Descriptor{}))
	null := encoded(t, &Descriptor{DACL: List{Present: true, Null: true}})
	require.Equal(t, List{Present: true, Null: true}, null.DACL)
	require.True(t, encoded(t, &Descriptor{DACL: List{Present: true}}).DACL.Present, "an empty list is no null one")

	for _, bad := range []*Descriptor{{Owner: "x"}, {Group: "s-1-5-x"}, {Owner: "s-2-5"}, {DACL: List{Present: true, Entries: make([]Entry, 20_000)}}, {DACL: List{Present: true, Entries: []Entry{{Type: 5, SID: "s-1-1-0", Object: "x"}}}}} {
		_, err := bad.Encode()
		require.Error(t, err)
	}
}

func TestEncodeSID(t *testing.T) {
	for _, raw := range [][]byte{sid(), sid(11), user(500), {1, 1, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0}} {
		text, ok := record.FormatSID(raw)
		require.True(t, ok)
		back, err := encodeSID(text)
		require.NoError(t, err)
		require.Equal(t, raw, back, text)
	}
}

// FuzzEncode: what was read is written so that it is read the same, and what is an object's own
// names no other SIDs.
func FuzzEncode(f *testing.F) {
	f.Add(build(0x1400, user(500), sid(32, 544), [][]byte{ace(0, 0x12, 0xf01ff, user(512)), ace(5, 0, 0x100, sid(11), guidA, guidB), ace(9, 0, 1, append(sid(11), user(7)...))}))
	f.Add(build(0, nil, nil, nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := Parse(raw)
		if err != nil {
			return
		}
		d.Control |= selfRelative
		require.Equal(t, d, encoded(t, d))
		require.Subset(t, append(d.SIDs(), ""), encoded(t, d.Own()).SIDs())
	})
}
