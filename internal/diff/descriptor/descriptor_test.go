package descriptor

import (
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/diff/identity"
)

// sid makes a binary SID of the domain 1-2-3, or a well-known one of one part.
func sid(parts ...uint32) []byte {
	raw := []byte{1, byte(len(parts)), 0, 0, 0, 0, 0, 5}
	for _, p := range parts {
		raw = binary.LittleEndian.AppendUint32(raw, p)
	}
	return raw
}

func user(rid uint32) []byte { return sid(21, 1, 2, 3, rid) }

// ace makes an entry.
func ace(kind, flags byte, mask uint32, who []byte, guids ...string) []byte {
	body := binary.LittleEndian.AppendUint32(nil, mask)
	if hasObject(kind) {
		var bits uint32
		var raw []byte
		for i, guid := range guids {
			if guid == "" {
				continue
			}
			bits |= 1 << i
			bytes, err := hex.DecodeString(guid)
			if err != nil {
				panic(err)
			}
			raw = append(raw, bytes...)
		}
		body = append(binary.LittleEndian.AppendUint32(body, bits), raw...)
	}
	body = append(body, who...)
	head := binary.LittleEndian.AppendUint16([]byte{kind, flags}, uint16(aceHead+len(body)))
	return append(head, body...)
}

// build makes a descriptor. Nil entries make a null list.
func build(control uint16, owner, group []byte, entries [][]byte) []byte {
	raw := make([]byte, headSize)
	raw[0] = 1
	binary.LittleEndian.PutUint16(raw[2:], control|0x8004)
	for i, who := range [][]byte{owner, group} {
		if who != nil {
			binary.LittleEndian.PutUint32(raw[4+4*i:], uint32(len(raw)))
			raw = append(raw, who...)
		}
	}
	if entries != nil {
		binary.LittleEndian.PutUint32(raw[16:], uint32(len(raw)))
		var body []byte
		for _, e := range entries {
			body = append(body, e...)
		}
		list := binary.LittleEndian.AppendUint16([]byte{4, 0}, uint16(aclHead+len(body)))
		list = binary.LittleEndian.AppendUint16(list, uint16(len(entries)))
		raw = append(append(raw, append(list, 0, 0)...), body...)
	}
	return raw
}

const guidA, guidB = "00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"

func parse(t testing.TB, raw []byte) *Descriptor {
	t.Helper()
	d, err := Parse(raw)
	require.NoError(t, err)
	return d
}

func TestParse(t *testing.T) {
	d := parse(t, build(0x1400, user(500), sid(32, 544), [][]byte{
		ace(0, 0x12, 0xf01ff, user(512)), ace(5, 0, 0x100, sid(11), guidA, guidB), ace(6, 0, 0x10, sid(11), "", guidB), ace(0x42, 1, 7, nil),
	}))
	require.Equal(t, "s-1-5-21-1-2-3-500", d.Owner)
	require.Equal(t, "s-1-5-32-544", d.Group)
	require.True(t, d.DACL.Present)
	require.False(t, d.SACL.Present)
	var texts []string
	for _, e := range d.DACL.Entries {
		texts = append(texts, e.String())
	}
	require.Equal(t, []string{
		"(A;CIID;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;S-1-5-21-1-2-3-512)",
		"(OA;;CR;33221100-5544-7766-8899-aabbccddeeff;ccddeeff-aabb-8899-7766-554433221100;S-1-5-11)",
		"(OD;;RP;;ccddeeff-aabb-8899-7766-554433221100;S-1-5-11)",
		"(0x42;OI;;;;;07000000)",
	}, texts)
}

func TestParseRefuses(t *testing.T) {
	good := build(0, user(500), user(513), [][]byte{ace(0, 0, 1, user(512))})
	for name, raw := range map[string][]byte{
		"nothing": nil, "short": good[:19], "revision": append([]byte{2}, good[1:]...), "owner cut": good[:headSize+4],
	} {
		_, err := Parse(raw)
		require.Error(t, err, name)
	}
	for name, change := range map[string]func(raw []byte){
		"owner outside":      func(raw []byte) { binary.LittleEndian.PutUint32(raw[4:], 1<<31) },
		"owner in the head":  func(raw []byte) { binary.LittleEndian.PutUint32(raw[4:], 3) },
		"list outside":       func(raw []byte) { binary.LittleEndian.PutUint32(raw[16:], uint32(len(raw))) },
		"list too long":      func(raw []byte) { raw[binary.LittleEndian.Uint32(raw[16:])+2] = 0xff },
		"list too short":     func(raw []byte) { raw[binary.LittleEndian.Uint32(raw[16:])+2] = 3 },
		"too many entries":   func(raw []byte) { raw[binary.LittleEndian.Uint32(raw[16:])+5] = 0xff },
		"one entry too many": func(raw []byte) { raw[binary.LittleEndian.Uint32(raw[16:])+4] = 2 },
		"entry too long":     func(raw []byte) { raw[binary.LittleEndian.Uint32(raw[16:])+aclHead+2] = 0xff },
		"entry of nothing":   func(raw []byte) { raw[binary.LittleEndian.Uint32(raw[16:])+aclHead+2] = 0 },
	} {
		raw := append([]byte{}, good...)
		change(raw)
		_, err := Parse(raw)
		require.Error(t, err, name)
	}
}

func TestCompare(t *testing.T) {
	allow, deny, in := ace(0, 0, 0x10, user(1)), ace(1, 0, 0x20, user(2)), ace(0, 0x10, 0x10, user(3))
	base := build(0, user(500), user(513), [][]byte{deny, allow, in})
	for name, c := range map[string]struct {
		a, b []byte
		want []Difference
	}{
		"same":                           {base, base, nil},
		"defaulted owner and group":      {base, build(3, user(500), user(513), [][]byte{deny, allow, in}), nil},
		"owner":                          {base, build(0, user(501), user(513), [][]byte{deny, allow, in}), []Difference{{What: "owner", Before: "S-1-5-21-1-2-3-500", After: "S-1-5-21-1-2-3-501"}}},
		"no group":                       {base, build(0, user(500), nil, [][]byte{deny, allow, in}), []Difference{{What: "group", Before: "S-1-5-21-1-2-3-513"}}},
		"protected":                      {base, build(0x1000, user(500), user(513), [][]byte{deny, allow, in}), []Difference{{What: "control", Before: "DACL_PRESENT", After: "DACL_PRESENT DACL_PROTECTED", Protected: true}}},
		"one more":                       {base, build(0, user(500), user(513), [][]byte{deny, allow, ace(0, 0, 0x40, user(9)), in}), []Difference{{What: "dacl", After: "(A;;DT;;;S-1-5-21-1-2-3-9)"}}},
		"one twice":                      {base, build(0, user(500), user(513), [][]byte{deny, allow, allow, in}), []Difference{{What: "dacl", After: "(A;;RP;;;S-1-5-21-1-2-3-1)"}}},
		"one less, inherited":            {base, build(0, user(500), user(513), [][]byte{deny, allow}), []Difference{{What: "dacl", Before: "(A;ID;RP;;;S-1-5-21-1-2-3-3)", Inherited: true}}},
		"order that means nothing":       {build(0, nil, nil, [][]byte{allow, ace(0, 0, 0x10, user(8))}), build(0, nil, nil, [][]byte{ace(0, 0, 0x10, user(8)), allow}), nil},
		"order that means something":     {build(0, nil, nil, [][]byte{deny, allow}), build(0, nil, nil, [][]byte{allow, deny}), []Difference{{What: "dacl order", Before: "(D;;WP;;;S-1-5-21-1-2-3-2)(A;;RP;;;S-1-5-21-1-2-3-1)", After: "(A;;RP;;;S-1-5-21-1-2-3-1)(D;;WP;;;S-1-5-21-1-2-3-2)"}}},
		"same classes, different places": {build(0, nil, nil, [][]byte{allow, deny, ace(0, 0, 1, user(7))}), build(0, nil, nil, [][]byte{ace(0, 0, 1, user(7)), deny, allow}), []Difference{{What: "dacl order", Before: "(A;;RP;;;S-1-5-21-1-2-3-1)(D;;WP;;;S-1-5-21-1-2-3-2)(A;;CC;;;S-1-5-21-1-2-3-7)", After: "(A;;CC;;;S-1-5-21-1-2-3-7)(D;;WP;;;S-1-5-21-1-2-3-2)(A;;RP;;;S-1-5-21-1-2-3-1)"}}},
		"a null list":                    {build(0, nil, nil, [][]byte{}), build(0, nil, nil, nil), []Difference{{What: "dacl", Before: "a list", After: "null: everyone has every access"}}},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := parse(t, c.a), parse(t, c.b)
			require.Equal(t, c.want, Compare(a, b, identity.Map{}))
			requireMirrored(t, a, b)
		})
	}
	m := identity.New(map[string]string{"s-1-5-21-1-2-3-500": "s-1-5-21-1-2-3-900", "s-1-5-21-1-2-3-1": "s-1-5-21-1-2-3-901"}, nil)
	require.Empty(t, Compare(parse(t, base), parse(t, build(0, user(900), user(513), [][]byte{deny, ace(0, 0, 0x10, user(901)), in})), m), "SIDs of a restore")
}

func requireMirrored(t testing.TB, a, b *Descriptor) {
	t.Helper()
	back := Compare(b, a, identity.Map{})
	for i := range back {
		back[i].Before, back[i].After = back[i].After, back[i].Before
	}
	require.ElementsMatch(t, Compare(a, b, identity.Map{}), back)
}

// FuzzParse: whatever the bytes are, they are read or refused; a descriptor does not differ
// from itself, and two differ alike from both sides.
func FuzzParse(f *testing.F) {
	good := build(0x1400, user(500), sid(32, 544), [][]byte{ace(0, 0x12, 0xf01ff, user(512)), ace(5, 0, 0x100, sid(11), guidA, guidB), ace(9, 0, 1, sid(11))})
	f.Add(good, build(0, nil, nil, nil))
	f.Add(good[:60], good)
	f.Fuzz(func(t *testing.T, x, y []byte) {
		a, err := Parse(x)
		if err != nil {
			return
		}
		require.Empty(t, Compare(a, a, identity.Map{}))
		if b, err := Parse(y); err == nil {
			requireMirrored(t, a, b)
		}
	})
}
