package privsep

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// through takes pieces from one end of a ring to the other.
func through(t testing.TB, pieces ...[]byte) []byte {
	t.Helper()
	memory := make([]byte, sharedSize)
	free := make(chan struct{}, slots)
	for range slots {
		free <- struct{}{}
	}
	tokens, told := io.Pipe()
	writing := make(chan error, 1)
	go func() {
		w := &ringWriter{memory: memory, tokens: told, free: free}
		var err error
		for _, piece := range pieces {
			if n, writeErr := w.Write(piece); writeErr != nil || n != len(piece) {
				err = errors.Join(err, writeErr, errors.New("short"))
			}
		}
		writing <- errors.Join(err, w.Close())
	}()
	var got bytes.Buffer
	require.NoError(t, copySlots(&got, memory, tokens, func() error { free <- struct{}{}; return nil }))
	require.NoError(t, <-writing)
	return got.Bytes()
}

func TestRingKeepsWhatIsWritten(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcde"), 400_000)
	for name, pieces := range map[string][][]byte{
		"nothing":            {},
		"an empty piece":     {{}},
		"one byte":           {{7}},
		"a full slot":        {large[:slotSize]},
		"one byte more":      {large[:slotSize+1]},
		"the whole ring":     {large[:sharedSize]},
		"many times":         {large},
		"pieces of any size": {large[:1], large[1:slotSize], large[slotSize : slotSize+9], large[slotSize+9:]},
	} {
		t.Run(name, func(t *testing.T) {
			require.True(t, bytes.Equal(bytes.Join(pieces, nil), through(t, pieces...)))
		})
	}
}

func TestRingKeepsTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	free := make(chan struct{}, slots)
	free <- struct{}{}
	w := &ringWriter{memory: make([]byte, sharedSize), tokens: failing{broken}, free: free}
	_, err := w.Write(make([]byte, slotSize))
	require.ErrorIs(t, err, broken)
	w.tokens = io.Discard
	_, err = w.Write([]byte("x"))
	require.ErrorIs(t, err, broken)
	require.ErrorIs(t, w.Close(), broken)

	gone := make(chan struct{})
	close(gone)
	w = &ringWriter{memory: make([]byte, sharedSize), tokens: io.Discard, free: gone}
	_, err = w.Write([]byte("x"))
	require.ErrorContains(t, err, "has gone")

	w = &ringWriter{tokens: io.Discard}
	require.NoError(t, w.Close())
	_, err = w.Write([]byte("x"))
	require.ErrorIs(t, err, errRingClosed)
}

func TestSlotsThatCannotBeRead(t *testing.T) {
	memory := make([]byte, sharedSize)
	ok := func() error { return nil }
	broken := errors.New("broken")
	one := []byte{0, 0, 0, 1}
	require.ErrorIs(t, copySlots(failing{broken}, memory, bytes.NewReader(one), ok), broken)
	require.ErrorIs(t, copySlots(io.Discard, memory, bytes.NewReader(one), func() error { return broken }), broken)
	for end := range one {
		require.ErrorIs(t, copySlots(io.Discard, memory, bytes.NewReader(one[:end]), ok), io.ErrUnexpectedEOF)
	}
}

func TestReports(t *testing.T) {
	var all bytes.Buffer
	sum := "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	require.NoError(t, writeReport(&all, slotFree, 0, ""))
	require.NoError(t, writeReport(&all, blockDone, 1<<32-1, ""))
	require.NoError(t, writeReport(&all, fileFailed, 28, ""))
	require.NoError(t, writeReport(&all, fileDone, 1<<40, sum))
	require.Error(t, writeReport(&all, fileDone, 1, "no sum"))
	for _, want := range []report{{kind: slotFree}, {kind: blockDone, number: 1<<32 - 1}, {kind: fileFailed, number: 28}, {fileDone, 1 << 40, sum}} {
		got, err := readReport(&all)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := readReport(&all)
	require.Equal(t, io.EOF, err)
}

func FuzzReadReport(f *testing.F) {
	f.Add([]byte("fb\x00\x00\x00\x01x\x00\x00\x00\x1c"))
	f.Add(append([]byte("e"), make([]byte, 40)...))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r, again := bytes.NewReader(stream), bytes.Buffer{}
		for {
			got, err := readReport(r)
			if err != nil {
				break
			}
			require.NoError(t, writeReport(&again, got.kind, got.number, got.sha256))
		}
		require.True(t, bytes.HasPrefix(stream, again.Bytes()))
	})
}

func FuzzCopySlots(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01\x00\x00\x00\x00"))
	f.Add([]byte("\x00\x08\x00\x00"))
	f.Add([]byte("\xff\xff\xff\xff"))
	memory := make([]byte, sharedSize)
	f.Fuzz(func(t *testing.T, tokens []byte) {
		calls := 0
		_ = copySlots(io.Discard, memory, bytes.NewReader(tokens), func() error { calls++; return nil }) // whatever it says
		require.LessOrEqual(t, calls, len(tokens)/tokenSize)
	})
}
