package operations

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestOneCallerStarvesNoOther neither by asking often, nor by asking for what takes long.
func TestOneCallerStarvesNoOther(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	b := newBudget(func() time.Time { return now }, Limit{20, 40, 8}, Limit{5, 10, 2})
	asks := func(subject string, often int) (done int) {
		for range often {
			if leave, ok := b.enter(subject); ok {
				leave()
				done++
			}
		}
		return done
	}
	require.Equal(t, 10, asks("greedy", 1000))
	require.Equal(t, 10, asks("other", 10))
	now = now.Add(time.Second)
	require.Equal(t, 5, asks("greedy", 1000))
	now = now.Add(time.Minute)
	require.Equal(t, 40, asks("a", 99)+asks("b", 99)+asks("c", 99)+asks("d", 99)+asks("e", 99), "all together")
	now = now.Add(time.Minute)
	var leave []func()
	for _, subject := range []string{"a", "a", "a", "b", "b", "c", "c", "d", "d", "e"} {
		if l, ok := b.enter(subject); ok {
			leave = append(leave, l)
		}
	}
	require.Len(t, leave, 8, "two of each, and eight of all")
	for _, l := range leave {
		l()
	}
	require.Equal(t, 1, asks("e", 1))
	for i := range 3 * maxSubjects {
		now = now.Add(time.Second)
		require.Equal(t, 1, asks(fmt.Sprint(i), 1))
	}
	require.LessOrEqual(t, len(b.subjects), maxSubjects)
}
