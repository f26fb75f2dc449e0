package privsep

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func framed(t testing.TB, pieces ...[]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := newFrameWriter(&out)
	for _, piece := range pieces {
		n, err := w.Write(piece)
		require.NoError(t, err)
		require.Equal(t, len(piece), n)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

func TestFramesKeepWhatIsWritten(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcde"), 100_000)
	for name, pieces := range map[string][][]byte{
		"nothing":            {},
		"an empty piece":     {{}},
		"one byte":           {{7}},
		"a full frame":       {large[:maxFrame]},
		"one byte more":      {large[:maxFrame+1]},
		"two full frames":    {large[:maxFrame], large[:maxFrame]},
		"many":               {large},
		"pieces of any size": {large[:1], large[1:maxFrame], large[maxFrame : maxFrame+9], large[maxFrame+9:]},
	} {
		t.Run(name, func(t *testing.T) {
			stream := framed(t, pieces...)
			var got bytes.Buffer
			require.NoError(t, copyFrames(&got, iotest.HalfReader(bytes.NewReader(stream))))
			require.True(t, bytes.Equal(bytes.Join(pieces, nil), got.Bytes()))
			for _, end := range []int{0, 1, len(stream) - 1, len(stream) - frameHeader} {
				require.ErrorIs(t, copyFrames(io.Discard, bytes.NewReader(stream[:min(end, len(stream)-1)])), io.ErrUnexpectedEOF, "cut at %d", end)
			}
		})
	}
}

func TestFramesThatCannotBeRead(t *testing.T) {
	require.ErrorContains(t, copyFrames(io.Discard, strings.NewReader("\xff\xff\xff\xff")), "a frame of 4294967295 bytes")
	broken := errors.New("broken")
	require.ErrorIs(t, copyFrames(io.Discard, iotest.ErrReader(broken)), broken)
	require.ErrorIs(t, copyFrames(failing{broken}, bytes.NewReader(framed(t, []byte("x")))), broken)
}

func TestFramesKeepTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	w := newFrameWriter(failing{broken})
	_, err := w.Write(make([]byte, frameSize))
	require.ErrorIs(t, err, broken)
	w.w = io.Discard
	_, err = w.Write([]byte("x"))
	require.ErrorIs(t, err, broken)
	require.ErrorIs(t, w.Close(), broken)

	w = newFrameWriter(io.Discard)
	require.NoError(t, w.Close())
	_, err = w.Write([]byte("x"))
	require.ErrorIs(t, err, errFramesClosed)
}

// failing takes nothing.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func FuzzCopyFrames(f *testing.F) {
	f.Add(framed(f))
	f.Add(framed(f, []byte("plain text")))
	f.Add([]byte("\x00\x00\x00\x01a\x00\x00\x00\x00behind"))
	f.Add([]byte("\x00\x04\x00\x00"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		var got bytes.Buffer
		err := copyFrames(&got, bytes.NewReader(stream))
		require.LessOrEqual(t, got.Len(), len(stream))
		if err == nil {
			var again bytes.Buffer
			require.NoError(t, copyFrames(&again, bytes.NewReader(framed(t, got.Bytes()))))
			require.True(t, bytes.Equal(got.Bytes(), again.Bytes()))
		}
	})
}
