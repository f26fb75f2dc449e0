package portal

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/secret"
)

// TestPasswordsOfDraftsEnd: they go when their time is over, also when nobody comes back.
func TestPasswordsOfDraftsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDrafts(time.Now)
		for range 2 { // the timer ends with the last password, and begins with the next
			d.put("noor", draft{Path: "x", password: secret.New("canary"), passwordAt: time.Now()})
			<-time.After(passwordInMind - time.Minute)
			synctest.Wait()
			require.True(t, d.all["noor"].HasPassword())
			<-time.After(passwordInMind / 2)
			synctest.Wait()
			require.False(t, d.all["noor"].HasPassword())
			require.Equal(t, "x", d.all["noor"].Path)
			require.False(t, d.cleaning)
		}
	})
}
