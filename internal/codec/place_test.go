package codec

import (
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"google.golang.org/protobuf/proto"

	"infrabackup/internal/fault"
)

// legacy seals as before payloads had a place.
func legacy(t *testing.T, c *Codec, p *commonpb.Payload) *commonpb.Payload {
	t.Helper()
	plain, err := proto.Marshal(p)
	require.NoError(t, err)
	aead, err := c.aead(c.ring.active)
	require.NoError(t, err)
	nonce := make([]byte, aead.NonceSize())
	return &commonpb.Payload{
		Metadata: map[string][]byte{encodingKey: []byte(encoding), metadataKeyID: []byte(c.ring.active)},
		Data:     aead.Seal(nonce, nonce, plain, []byte(c.ring.active)),
	}
}

func TestOpenTakesWhatBelongsThereOnly(t *testing.T) {
	c := New(ringOf(t, keyLine(t, "k1")))
	sealed, err := c.Seal("here", payload("x"))
	require.NoError(t, err)
	nowhere, err := c.Encode([]*commonpb.Payload{payload("x")})
	require.NoError(t, err)
	moved := func(p *commonpb.Payload, place string) *commonpb.Payload {
		out, ok := proto.Clone(p).(*commonpb.Payload)
		require.True(t, ok)
		out.Metadata[metadataPlace] = []byte(place)
		return out
	}
	there, err := c.Seal("there", payload("x"))
	require.NoError(t, err)
	stripped, ok := proto.Clone(sealed).(*commonpb.Payload)
	require.True(t, ok)
	delete(stripped.Metadata, metadataPlace)
	for name, test := range map[string]struct {
		payload *commonpb.Payload
		code    fault.Code
	}{
		"where it belongs":              {sealed, ""},
		"of another place":              {there, fault.PayloadRefused},
		"of nowhere":                    {nowhere[0], fault.PayloadRefused},
		"the place written over":        {moved(there, "here"), fault.CodecKey},
		"the place left out":            {stripped, fault.CodecKey},
		"in clear":                      {payload("x"), fault.PayloadRefused},
		"nothing":                       {nil, fault.PayloadRefused},
		"empty":                         {&commonpb.Payload{}, fault.PayloadRefused},
		"of the form before":            {legacy(t, c, payload("x")), fault.PayloadOutdated},
		"the form before, with a place": {moved(legacy(t, c, payload("x")), "here"), fault.CodecKey},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := c.Open("here", test.payload)
			require.Equal(t, test.code, fault.CodeOf(err))
			require.Equal(t, test.code == "", out != nil)
		})
	}
	out, err := c.OpenOutdated(legacy(t, c, payload("x")))
	require.NoError(t, err)
	require.Equal(t, "x", string(out.Data))
	_, err = c.OpenOutdated(sealed)
	require.ErrorIs(t, err, fault.PayloadRefused)

	// Whoever shows payloads shows them all.
	shown, err := c.Decode([]*commonpb.Payload{sealed, there, legacy(t, c, payload("x")), payload("x")})
	require.NoError(t, err)
	for _, p := range shown {
		require.Equal(t, "x", string(p.Data))
	}
}
