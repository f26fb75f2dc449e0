package blocksum

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// some are bytes that no two blocks share.
func some(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func tableOf(t testing.TB, data []byte, piece int) *Table {
	t.Helper()
	table := NewTable()
	h := NewHasher(func(sum uint32) error { table.Add(sum); return nil })
	for rest := data; len(rest) > 0; {
		n := min(piece, len(rest))
		_, err := h.Write(rest[:n])
		require.NoError(t, err)
		rest = rest[n:]
	}
	require.NoError(t, h.Close())
	require.Equal(t, int64(len(data)), h.Length())
	require.NoError(t, table.Finish(h.Length(), h.SHA256()))
	return table
}

func TestTable(t *testing.T) {
	for _, size := range []int{0, 1, Size - 1, Size, Size + 1, 3*Size + 7} {
		for _, piece := range []int{100_000, Size, 2*Size + 1} {
			t.Run(fmt.Sprint(size, " in ", piece), func(t *testing.T) {
				data := some(size)
				table := tableOf(t, data, piece)
				whole := sha256.Sum256(data)
				n, sum, ok := table.Whole()
				require.True(t, ok)
				require.Equal(t, int64(size), n)
				require.Equal(t, hex.EncodeToString(whole[:]), sum)
				for i := 0; i < size; i += Size {
					got, length, ok := table.sum(int64(i / Size))
					require.True(t, ok)
					block := data[i:min(size, i+Size)]
					require.Equal(t, int64(len(block)), length)
					require.Equal(t, Of(block), got)
				}

				stored, err := table.Encode()
				require.NoError(t, err)
				again, err := Decode(stored, n, sum)
				require.NoError(t, err)
				require.True(t, slices.Equal(table.sums, again.sums))
				for _, check := range []*Table{table, again} {
					c := check.NewChecker()
					for rest := data; len(rest) > 0; {
						k := min(70_001, len(rest))
						_, err := c.Write(rest[:k])
						require.NoError(t, err)
						rest = rest[k:]
					}
					require.True(t, c.Complete())
					_, err = c.Write([]byte{0})
					require.Error(t, err, "more than the file has")
				}
			})
		}
	}
}

// TestCheckerFindsEveryBlock: one bit anywhere is found, in the block where it is.
func TestCheckerFindsEveryBlock(t *testing.T) {
	data := some(2*Size + 100)
	table := tableOf(t, data, Size)
	for _, at := range []int{0, Size - 1, Size, 2*Size - 1, 2 * Size, len(data) - 1} {
		bad := bytes.Clone(data)
		bad[at] ^= 1
		_, err := table.NewChecker().Write(bad)
		var mismatch *MismatchError
		require.ErrorAs(t, err, &mismatch)
		require.Equal(t, int64(at-at%Size), mismatch.Offset)
	}
	c := table.NewChecker()
	_, err := c.Write(data[:len(data)-1])
	require.NoError(t, err)
	require.False(t, c.Complete(), "what is missing at the end is noticed by whoever asks")
}

func TestTableGrows(t *testing.T) {
	table := NewTable()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := table.Wait(ended, 0)
	require.ErrorIs(t, err, context.Canceled)

	table.Add(1)
	require.Zero(t, table.Written(), "the block may be the last one, and short")
	waited := make(chan int64)
	go func() {
		end, _, _ := table.Wait(t.Context(), 0)
		waited <- end
	}()
	table.Add(2)
	require.Equal(t, int64(Size), <-waited)
	require.Error(t, table.Finish(Size, ""), "two blocks")
	require.NoError(t, table.Finish(Size+5, "sum"))
	end, whole, err := table.Wait(ended, 10*Size)
	require.NoError(t, err)
	require.True(t, whole)
	require.Equal(t, int64(Size+5), end)
	table.Fail(errors.New("late"))
	_, _, err = table.Wait(t.Context(), 10*Size)
	require.NoError(t, err, "what has ended stays")

	broken := errors.New("broken")
	failed := NewTable()
	failed.Fail(broken)
	_, _, err = failed.Wait(t.Context(), 0)
	require.ErrorIs(t, err, broken)
	require.NoError(t, failed.Finish(0, ""))
	_, _, err = failed.Wait(t.Context(), 0)
	require.ErrorIs(t, err, broken, "and not forgotten")
	_, err = failed.Encode()
	require.Error(t, err)
}

// TestHasherPassesErrorsOn of whoever takes the sums.
func TestHasherPassesErrorsOn(t *testing.T) {
	broken := errors.New("broken")
	h := NewHasher(func(uint32) error { return broken })
	_, err := h.Write(make([]byte, Size-1))
	require.NoError(t, err)
	require.ErrorIs(t, h.Close(), broken)
	_, err = NewHasher(func(uint32) error { return broken }).Write(make([]byte, Size))
	require.ErrorIs(t, err, broken)
}

// FuzzDecode: a table that was changed anywhere is refused, and none costs more memory than
// the file that it is said to be of.
func FuzzDecode(f *testing.F) {
	good, err := tableOf(f, some(3*Size), Size).Encode()
	require.NoError(f, err)
	f.Add(good, int64(3*Size))
	f.Add(good[:len(good)-1], int64(3*Size))
	f.Add([]byte{}, int64(-1))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		table, err := Decode(b, size, "")
		if err != nil {
			return
		}
		again, err := table.Encode()
		require.NoError(t, err)
		require.True(t, bytes.Equal(b, again))
	})
}
