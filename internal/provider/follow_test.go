package provider

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestFollow: a board is read again within one interval after something was done elsewhere, and not
// without a reason.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pulse, away := 1, error(nil)
		moved, failed := 0, 0
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			follow(ctx, func(context.Context) (int, error) { return pulse, away }, func() { moved++ }, func(error) { failed++ })
		}()
		after := func(d time.Duration, wantMoved, wantFailed int, why string) {
			t.Helper()
			<-time.After(d)
			synctest.Wait()
			require.Equal(t, []int{wantMoved, wantFailed}, []int{moved, failed}, why)
		}
		after(time.Millisecond, 1, 0, "what was done before is not known")
		after(time.Hour, 1, 0, "nothing was done")
		pulse = 2
		after(pulseEvery, 2, 0, "something was done")
		pulse, away = 3, errors.New("away")
		after(time.Hour, 2, 1, "one word about it")
		away = nil
		after(pulseEvery, 3, 1, "it is there again")
		pulse, away = 3, errors.New("away")
		after(pulseEvery, 3, 2, "away again")
		away = nil
		after(pulseEvery, 4, 2, "what was shown meanwhile was of before")
		cancel()
		<-ended
	})
}
