package archive

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// mixed is content of which a part does not compress.
func mixed(size int, noise float64) []byte {
	b := bytes.Repeat([]byte("what compresses well, "), size/22+1)[:size]
	r := rand.New(rand.NewPCG(uint64(size), 1))
	for i := range int(float64(size) * noise) {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestFrames: whatever a frame holds, any decoder gives it back, and it is never larger than
// readers allow.
func TestFrames(t *testing.T) {
	decoder, err := zstd.NewReader(nil)
	require.NoError(t, err)
	defer decoder.Close()
	for _, size := range []int{1, 100, 2*samples*sampleSize - 1, 2 * samples * sampleSize, maxBlock, maxBlock + 1, frameSize - 1, frameSize} {
		for _, noise := range []float64{0, 0.4, 0.9, 1} {
			t.Run(fmt.Sprint(size, " ", noise), func(t *testing.T) {
				content := mixed(size, noise)
				var out bytes.Buffer
				w, err := newFrameWriter(&out)
				require.NoError(t, err)
				_, err = w.Write(content)
				require.NoError(t, err)
				require.NoError(t, w.Close())
				encoded := out.Bytes()[:w.spans[0].encoded]
				require.LessOrEqual(t, len(encoded), maxEncodedFrame)
				plain, err := decoder.DecodeAll(encoded, nil)
				require.NoError(t, err)
				require.True(t, bytes.Equal(content, plain))
				if noise == 0 && size > 1000 {
					require.Less(t, len(encoded), size/10, "what compresses is compressed")
				}
				encoded[len(encoded)-1] ^= 1
				_, err = decoder.DecodeAll(encoded, nil)
				require.ErrorIs(t, err, zstd.ErrCRCMismatch, "the checksum is the content's")
			})
		}
	}
}

// TestRawFrames are frames, too, of any size.
func TestRawFrames(t *testing.T) {
	decoder, err := zstd.NewReader(nil)
	require.NoError(t, err)
	defer decoder.Close()
	for _, size := range []int{0, 1, maxBlock, maxBlock + 1, frameSize} {
		content := mixed(size, 1)
		var buffer bytes.Buffer
		size, err := writeRaw(&buffer, content)
		require.NoError(t, err)
		raw := buffer.Bytes()
		require.Len(t, raw, size)
		require.LessOrEqual(t, len(raw), maxEncodedFrame)
		plain, err := decoder.DecodeAll(raw, nil)
		require.NoError(t, err, size)
		require.True(t, bytes.Equal(content, plain))
	}
}
