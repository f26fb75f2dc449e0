package backup

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestMeasureSkew(t *testing.T) {
	at := func(seconds float64) time.Time { return started.Add(time.Duration(seconds * float64(time.Second))) }
	window := func(s Service, from, to float64) ServiceResult {
		return ServiceResult{Service: s, Status: Succeeded, WindowStart: at(from), WindowEnd: at(to)}
	}
	failed := window(CA, -1000, 1000)
	failed.Status = Failed
	backwards := window(CA, 5, 1)
	for name, tc := range map[string]struct {
		windows       []ServiceResult
		start, end    float64
		spread, apart int64
		first, last   Service
	}{
		"one":                                {[]ServiceResult{window(AD, 1, 4)}, 1, 4, 3000, 0, "", ""},
		"same":                               {[]ServiceResult{window(AD, 1, 4), window(CA, 1, 4)}, 1, 4, 3000, 0, "", ""},
		"overlapping":                        {[]ServiceResult{window(AD, 1, 4), window(CA, 3, 9)}, 1, 9, 8000, 0, "", ""},
		"touching":                           {[]ServiceResult{window(AD, 1, 4), window(CA, 4, 9)}, 1, 9, 8000, 0, "", ""},
		"a moment apart":                     {[]ServiceResult{window(AD, 1, 4), window(CA, 4.0000001, 9)}, 1, 9, 8000, 1, AD, CA},
		"one in the other":                   {[]ServiceResult{window(AD, 1, 9), window(CA, 3, 4)}, 1, 9, 8000, 0, "", ""},
		"apart":                              {[]ServiceResult{window(AD, 10, 12), window(CA, 1, 4)}, 1, 12, 11000, 6000, CA, AD},
		"a chain":                            {[]ServiceResult{window(AD, 1, 4), window(CA, 3, 9), window(ARM, 8, 20)}, 1, 20, 19000, 4000, AD, ARM},
		"a long one over two that are apart": {[]ServiceResult{window(AD, 0, 100), window(CA, 1, 4), window(ARM, 8, 20)}, 0, 100, 100000, 4000, CA, ARM},
		"failed ones left out":               {[]ServiceResult{failed, window(AD, 1, 4), backwards, {Service: RBAC, Status: Succeeded}}, 1, 4, 3000, 0, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			want := Skew{Start: at(tc.start), End: at(tc.end), SpreadMS: tc.spread, ApartMS: tc.apart, First: tc.first, Last: tc.last}
			require.Equal(t, want, MeasureSkew(tc.windows))
			c := Consistency{Skew: want}
			require.NoError(t, c.validate())
		})
	}
	require.Zero(t, MeasureSkew(nil))
	require.Zero(t, MeasureSkew([]ServiceResult{failed}))
}

// TestApartIsTheLargestDistance compares with all pairs.
func TestApartIsTheLargestDistance(t *testing.T) {
	for a := range 5 {
		for b := range 5 {
			for c := range 5 {
				var windows []ServiceResult
				for i, from := range []int{a, b, c} {
					from := started.Add(time.Duration(from) * time.Second)
					windows = append(windows, ServiceResult{
						Service: services[i], Status: Succeeded, WindowStart: from, WindowEnd: from.Add(time.Duration(i) * time.Second),
					})
				}
				want := time.Duration(0)
				for _, x := range windows {
					for _, y := range windows {
						want = max(want, y.WindowStart.Sub(x.WindowEnd))
					}
				}
				got := MeasureSkew(windows)
				require.Equal(t, want.Milliseconds(), got.ApartMS, "%d %d %d", a, b, c)
				require.Equal(t, want == 0, got.First == "")
			}
		}
	}
}

func TestTotals(t *testing.T) {
	c := testManifest().Consistency
	checked, dangling, unchecked := c.Totals()
	require.Equal(t, []int64{10, 2, 5}, []int64{checked, dangling, unchecked})
	short := c.Summary()
	require.Empty(t, short.Dangling)
	require.Equal(t, c.Relations, short.Relations)
	require.Len(t, c.Dangling, 2, "the original keeps its list")
	require.NoError(t, short.validate())
}

func TestDanglingText(t *testing.T) {
	require.Equal(t, "größe", DanglingText("größe"))
	require.Equal(t, "a?b?c??", DanglingText("a\nb\xffc\u0085\x7f"))
	for extra := range 4 {
		long := DanglingText(strings.Repeat("x", extra) + strings.Repeat("ü", MaxDanglingText))
		require.True(t, utf8.ValidString(long))
		require.LessOrEqual(t, len(long), MaxDanglingText)
		require.GreaterOrEqual(t, len(long), MaxDanglingText-4)
		require.True(t, strings.HasSuffix(long, "…"))
	}
	exact := strings.Repeat("x", MaxDanglingText)
	require.Equal(t, exact, DanglingText(exact))
}

// TestFullConsistencyFits: whatever names the source has, the list leaves room for the
// rest of the manifest.
func TestFullConsistencyFits(t *testing.T) {
	m := testManifest()
	worst := DanglingText(strings.Repeat("\"", 2*MaxDanglingText))
	m.Consistency.Dangling = nil
	for range MaxDangling {
		m.Consistency.Dangling = append(m.Consistency.Dangling, DanglingReference{
			Service: KeyVault, ID: worst, Name: worst, Relation: "principal", TargetService: KeyVault, Target: worst,
		})
	}
	m.Consistency.Relations[1] = RelationCount{Relation: "principal", Checked: MaxDangling, Dangling: MaxDangling}
	data, err := m.Encode()
	require.NoError(t, err)
	require.Less(t, len(data), MaxManifestBytes/2)
}
