package guard

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzFrames(f *testing.F) {
	f.Add([]byte("\xFESMB\x40"), 64)
	f.Add([]byte("\xFDSMB"), 200)
	f.Fuzz(func(t *testing.T, frame []byte, size int) {
		if h, err := parseHeader(frame, size); err == nil {
			require.GreaterOrEqual(t, size, headerSize)
			require.False(t, h.encrypted && (h.signed || h.interim || h.response))
		}
		for _, err := range []error{
			second(parseNegotiate(frame)), second(parseSessionFlags(frame)), second(parseShareFlags(frame)),
		} {
			require.True(t, err == nil || errors.Is(err, errFrame))
		}
	})
}

func second[T any](_ T, err error) error { return err }
