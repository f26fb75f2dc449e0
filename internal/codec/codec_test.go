package codec

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"infrabackup/internal/fault"
)

func keyLine(t testing.TB, id string) string {
	t.Helper()
	line, err := GenerateKeyLine(id, rand.Reader)
	require.NoError(t, err)
	return line
}

func ringOf(t testing.TB, lines ...string) *Keyring {
	t.Helper()
	ring, err := ParseKeyring([]byte(strings.Join(lines, "")))
	require.NoError(t, err)
	return ring
}

func payload(text string) *commonpb.Payload {
	return &commonpb.Payload{
		Metadata: map[string][]byte{"encoding": []byte("json/plain"), "note": []byte("canary-metadata")},
		Data:     []byte(text),
	}
}

func TestCodecRoundTrip(t *testing.T) {
	c := New(ringOf(t, keyLine(t, "k1")))
	in := []*commonpb.Payload{payload("canary"), payload(""), {}, payload(strings.Repeat("x", 1<<20))}
	sealed, err := c.Encode(in)
	require.NoError(t, err)
	require.Len(t, sealed, len(in))
	for _, p := range sealed {
		raw, err := proto.Marshal(p)
		require.NoError(t, err)
		require.NotContains(t, string(raw), "canary", "neither data nor metadata")
		require.Equal(t, "k1", string(p.Metadata[metadataKeyID]))
	}
	out, err := c.Decode(sealed)
	require.NoError(t, err)
	for i := range in {
		require.True(t, proto.Equal(in[i], out[i]))
	}
	again, err := c.Encode(in[:1])
	require.NoError(t, err)
	require.NotEqual(t, sealed[0].Data, again[0].Data, "every nonce is new")
}

func TestCodecShowsWhatIsNotEncryptedAsItIs(t *testing.T) {
	c := New(ringOf(t, keyLine(t, "k1")))
	in := []*commonpb.Payload{payload("plain"), {}}
	out, err := c.Decode(in)
	require.NoError(t, err)
	require.Equal(t, in, out)
}

func TestCodecRotation(t *testing.T) {
	first, second := keyLine(t, "2026-a"), keyLine(t, "2026-b")
	sealed, err := New(ringOf(t, first)).Encode([]*commonpb.Payload{payload("x")})
	require.NoError(t, err)

	rotated := New(ringOf(t, second, first))
	out, err := rotated.Decode(sealed)
	require.NoError(t, err, "the old key still decrypts")
	require.Equal(t, "x", string(out[0].Data))
	sealed, err = rotated.Encode(out)
	require.NoError(t, err)
	require.Equal(t, "2026-b", string(sealed[0].Metadata[metadataKeyID]), "the first key encrypts")

	_, err = New(ringOf(t, first)).Decode(sealed)
	require.ErrorIs(t, err, fault.CodecKey)
	require.ErrorContains(t, err, `"2026-b" is not in the key file`)
}

func TestCodecRefusesWhatWasChanged(t *testing.T) {
	lineA, lineB := keyLine(t, "a"), keyLine(t, "b")
	c := New(ringOf(t, lineA, lineB))
	for name, change := range map[string]func(*commonpb.Payload){
		"a flipped bit":      func(p *commonpb.Payload) { p.Data[len(p.Data)/2] ^= 1 },
		"a flipped nonce":    func(p *commonpb.Payload) { p.Data[0] ^= 1 },
		"a flipped tag":      func(p *commonpb.Payload) { p.Data[len(p.Data)-1] ^= 1 },
		"cut short":          func(p *commonpb.Payload) { p.Data = p.Data[:len(p.Data)-1] },
		"only a nonce":       func(p *commonpb.Payload) { p.Data = p.Data[:12] },
		"nothing":            func(p *commonpb.Payload) { p.Data = nil },
		"more at the end":    func(p *commonpb.Payload) { p.Data = append(p.Data, 0) },
		"another known key":  func(p *commonpb.Payload) { p.Metadata[metadataKeyID] = []byte("b") },
		"an unknown key":     func(p *commonpb.Payload) { p.Metadata[metadataKeyID] = []byte("c") },
		"no key id":          func(p *commonpb.Payload) { delete(p.Metadata, metadataKeyID) },
		"a key id of binary": func(p *commonpb.Payload) { p.Metadata[metadataKeyID] = []byte{0xff, 0} },
	} {
		t.Run(name, func(t *testing.T) {
			sealed, err := c.Encode([]*commonpb.Payload{payload("x")})
			require.NoError(t, err)
			change(sealed[0])
			_, err = c.Decode(sealed)
			require.ErrorIs(t, err, fault.CodecKey)
		})
	}
}

// The same id with other bytes: an operator replaced a key instead of adding one.
func TestCodecKeyReplacedUnderItsID(t *testing.T) {
	sealed, err := New(ringOf(t, keyLine(t, "k"))).Encode([]*commonpb.Payload{payload("x")})
	require.NoError(t, err)
	_, err = New(ringOf(t, keyLine(t, "k"))).Decode(sealed)
	require.ErrorIs(t, err, fault.CodecKey)
	require.ErrorContains(t, err, "does not decrypt")
}

func TestCodecInDataConverter(t *testing.T) {
	c := converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), New(ringOf(t, keyLine(t, "k"))))
	p, err := c.ToPayload(map[string]string{"a": "canary"})
	require.NoError(t, err)
	require.NotContains(t, string(p.Data), "canary")
	var out map[string]string
	require.NoError(t, c.FromPayload(p, &out))
	require.Equal(t, "canary", out["a"])
}

func TestParseKeyring(t *testing.T) {
	a, b := keyLine(t, "a"), keyLine(t, "b-2")
	ring := ringOf(t, "# comment\n\n  ", strings.TrimSuffix(a, "\n"), "  \r\n", b)
	require.Equal(t, "a", ring.Active())
	require.Len(t, ring.keys, 2)

	short := "k " + strings.Repeat("A", 42) + "==\n"
	many := &strings.Builder{}
	for i := range maxKeys + 1 {
		many.WriteString(keyLine(t, fmt.Sprintf("k%d", i)))
	}
	for name, test := range map[string]struct{ text, want string }{
		"empty":              {"", "holds no key"},
		"comments only":      {"# a\n", "holds no key"},
		"no key":             {"id\n", "line 1"},
		"id in capitals":     {strings.Replace(a, "a ", "A ", 1), "line 1"},
		"id too long":        {strings.Repeat("a", 33) + a[1:], "line 1"},
		"short key":          {short, "not the base64 of 32 bytes"},
		"not base64":         {"k canary!\n", "line 1"},
		"URL-safe alphabet":  {"k " + strings.Repeat("_", 43) + "=\n", "line 1"},
		"twice":              {a + a, `line 2: key id "a" appears twice`},
		"too many":           {many.String(), "more than 256 keys"},
		"UTF-16":             {"\xff\xfea\x00", "UTF-16"},
		"NUL":                {"a\x00 x", "line 1"},
		"endless line":       {strings.Repeat("a", maxKeyFileBytes), "token too long"},
		"larger than bounds": {strings.Repeat("#", maxKeyFileBytes+1), "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseKeyring([]byte(test.text))
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestLoadKeyring(t *testing.T) {
	line := keyLine(t, "k")
	write := func(t *testing.T, text string, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), "codec.keys")
		require.NoError(t, os.WriteFile(path, []byte(text), mode))
		return path
	}
	ring, err := LoadKeyring(write(t, line, 0o600))
	require.NoError(t, err)
	require.Equal(t, "k", ring.Active())

	secret := strings.Fields(line)[1]
	for name, path := range map[string]string{
		"missing":             filepath.Join(t.TempDir(), "none"),
		"a folder":            t.TempDir(),
		"readable by a group": write(t, line, 0o640),
		"readable by all":     write(t, line, 0o604),
		"malformed":           write(t, "x "+secret+secret, 0o600),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := LoadKeyring(path)
			require.ErrorIs(t, err, fault.ConfigInvalid)
			require.NotContains(t, err.Error(), secret)
		})
	}
}

func TestKeyringDoesNotPrint(t *testing.T) {
	line := keyLine(t, "k")
	ring := ringOf(t, line)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		out := fmt.Sprintf(verb, ring)
		require.Contains(t, out, "codec keyring")
		require.NotContains(t, out, strings.Fields(line)[1])
		require.NotContains(t, out, "[32]uint8")
	}
}

func TestDerive(t *testing.T) {
	a, b := keyLine(t, "a"), keyLine(t, "b")
	ring := ringOf(t, a, b)
	derive := func(r *Keyring, id, purpose, context string) [32]byte {
		t.Helper()
		key, err := r.Derive(id, purpose, context)
		require.NoError(t, err)
		return key
	}
	key := derive(ring, "a", "work", "1")
	require.Equal(t, key, derive(ringOf(t, b, a), "a", "work", "1"), "whatever key is the active one")
	for _, other := range [][32]byte{
		derive(ring, "b", "work", "1"), derive(ring, "a", "other", "1"), derive(ring, "a", "work", "2"), ring.keys["a"],
	} {
		require.NotEqual(t, key, other)
	}
	_, err := ring.Derive("c", "work", "1")
	require.ErrorIs(t, err, fault.CodecKey)
}

func TestGenerateKeyLine(t *testing.T) {
	_, err := GenerateKeyLine("No", rand.Reader)
	require.ErrorIs(t, err, fault.Usage)
	_, err = GenerateKeyLine("k", bytes.NewReader([]byte("short")))
	require.Error(t, err)
}

func FuzzParseKeyring(f *testing.F) {
	f.Add([]byte(keyLine(f, "a") + "# c\n\n" + keyLine(f, "b")))
	f.Add([]byte("a \nb"))
	f.Add([]byte("a \x00\r\n\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		ring, err := ParseKeyring(data)
		if err != nil {
			require.Nil(t, ring)
			return
		}
		require.Contains(t, ring.keys, ring.Active())
		require.LessOrEqual(t, len(ring.keys), maxKeys)
		c := New(ring)
		sealed, err := c.Encode([]*commonpb.Payload{payload("x")})
		require.NoError(t, err)
		_, err = c.Decode(sealed)
		require.NoError(t, err)
	})
}

// FuzzDecode: payloads come from the Temporal server, which is not trusted with
// what they hold. Nothing but what Encode made may come out as decrypted.
func FuzzDecode(f *testing.F) {
	c := New(ringOf(f, keyLine(f, "k")))
	good, err := c.Encode([]*commonpb.Payload{payload("x")})
	require.NoError(f, err)
	f.Add("k", good[0].Data)
	f.Add("", []byte{})
	f.Add("k", bytes.Repeat([]byte{0}, 28))
	f.Fuzz(func(t *testing.T, id string, data []byte) {
		out, err := c.Decode([]*commonpb.Payload{{
			Metadata: map[string][]byte{encodingKey: []byte(encoding), metadataKeyID: []byte(id)}, Data: data,
		}})
		if err != nil {
			require.ErrorIs(t, err, fault.CodecKey)
			return
		}
		require.Equal(t, good[0].Data, data)
		require.Equal(t, "x", string(out[0].Data))
	})
}
