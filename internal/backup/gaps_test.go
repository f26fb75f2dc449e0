package backup

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBoundGaps(t *testing.T) {
	a := func(n int) Gap { return Gap{Code: "A", Object: fmt.Sprint("a", n), Reason: fmt.Sprint("why ", n)} }
	for name, c := range map[string]struct {
		gaps   []Gap
		listed int
		want   []Gap
	}{
		"none":     {nil, 2, []Gap{}},
		"all":      {[]Gap{a(1), a(2)}, 2, []Gap{a(1), a(2)}},
		"one over": {[]Gap{a(1), a(2), a(3)}, 2, []Gap{a(1), a(2), {Code: "A", Object: FurtherObjects, Reason: "why 3", Count: 1}}},
		"counts and codes": {
			[]Gap{a(1), {Code: "B", Object: "b", Reason: "no", Count: 5}, a(2), a(3), {Code: "B", Object: "c", Reason: "not", Count: 2}}, 1,
			[]Gap{a(1), {Code: "B", Object: FurtherObjects, Reason: "no", Count: 7}, {Code: "A", Object: FurtherObjects, Reason: "why 2", Count: 2}},
		},
		"bounded twice": {
			BoundGaps([]Gap{a(1), a(2), a(3)}, 1, 0), 1, []Gap{a(1), {Code: "A", Object: FurtherObjects, Reason: "why 2", Count: 2}},
		},
		"long texts": {
			[]Gap{{Code: strings.Repeat("ü", 100), Reason: strings.Repeat("ü", 300)}}, 0,
			[]Gap{{Code: strings.Repeat("ü", 50) + "…", Object: FurtherObjects, Reason: strings.Repeat("ü", 250) + "…", Count: 1}},
		},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, BoundGaps(c.gaps, c.listed, 0)) })
	}
}

// TestGapListIsBounded gives it more gaps, more bytes and more codes than it may keep.
func TestGapListIsBounded(t *testing.T) {
	l := GapList{MaxListed: 1000, MaxBytes: 64 << 10}
	for i := range 500 {
		l.Add(Gap{Code: "WIDE", Object: strings.Repeat("x", 1000), Reason: fmt.Sprint(i)})
	}
	for i := range 1000 {
		l.Add(Gap{Code: fmt.Sprint("CODE_", i)})
	}
	all := l.All()
	require.LessOrEqual(t, len(all), 1000+maxGapCodes)
	require.Less(t, len(fmt.Sprint(l.listed)), 64<<10)
	total := int64(0)
	for _, gap := range all {
		total += max(gap.Count, 1)
	}
	require.EqualValues(t, 1500, total, "none is lost")
}
