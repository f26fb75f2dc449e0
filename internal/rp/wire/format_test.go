package wire

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDurations(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"PT0S": 0, "PT20M48.5970829S": 20*time.Minute + 48*time.Second + 597082900, "PT1H": time.Hour, "PT26H1M": 26*time.Hour + time.Minute,
		"PT0.0000001S": 100, "PT5S": 5 * time.Second, "PT6M35S": 395 * time.Second, "PT1H0.5S": time.Hour + time.Second/2,
	} {
		require.Equal(t, want, Duration(d))
	}
	require.Equal(t, "PT0S", Duration(-time.Hour), "a clock that was set back")
}

func TestDates(t *testing.T) {
	require.Nil(t, Date(time.Time{}))
	require.Equal(t, "2018-08-28T17:26:00.9454387Z", *Date(time.Date(2018, 8, 28, 19, 26, 0, 945438799, time.FixedZone("", 7200))))
	require.Equal(t, "2018-08-28T17:26:00Z", *Date(time.Date(2018, 8, 28, 17, 26, 0, 0, time.UTC)))
}

// TestCapacities has the texts that Azure Stack was seen to give.
func TestCapacities(t *testing.T) {
	const gib = 1 << 30
	for n, want := range map[int64]string{
		532: "532 bytes", 1340: "1.30 KB", 23506: "22.9 KB", 2400016: "2.28 MB", 979 * gib: "979 GB", 999 * gib: "999 GB", 1023 * gib: "0.99 TB", 1024 * gib: "1.00 TB",
		32546421637120: "29.6 TB", 22650000000000: "20.6 TB", 10 * gib: "10.0 GB", 1 << 62: "4.00 EB",
	} {
		require.Equal(t, want, *Capacity(n))
	}
	require.Nil(t, Capacity(0))
	require.Nil(t, Capacity(-1))
}
