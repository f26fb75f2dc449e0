package upstream

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestReader(t *testing.T) {
	broken := errors.New("connection reset")
	decoder := errors.New("malformed")
	for name, c := range map[string]struct {
		source io.Reader
		want   error // that the source is said to have had
	}{
		"ends":                      {strings.NewReader("abc"), nil},
		"ends with its last byte":   {iotest.DataErrReader(strings.NewReader("abc")), nil},
		"breaks":                    {io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)), broken},
		"breaks as connections end": {iotest.ErrReader(fmt.Errorf("the server went away: %w", io.EOF)), io.EOF},
		"ends too early":            {iotest.ErrReader(io.ErrUnexpectedEOF), io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewReader(c.source)
			_, err := io.Copy(io.Discard, onlyReader{r})
			if c.want == nil {
				require.NoError(t, err)
				require.NoError(t, r.Err())
				require.Equal(t, decoder, r.Or(decoder))
				return
			}
			require.ErrorIs(t, err, c.want)
			require.Equal(t, err, r.Err())
			require.Equal(t, err, r.Or(decoder))
		})
	}
}

type onlyReader struct{ io.Reader }
