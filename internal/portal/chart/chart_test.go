package chart_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/portal/chart"
)

func TestBarsStayInTheirPlace(t *testing.T) {
	label := func(v float64) string { return fmt.Sprintf("%.0f s", v) }
	for _, values := range [][]float64{{0}, {0, 0}, {-5, 3}, {10, 40, 20}, make([]float64, 60)} {
		var points []chart.Point
		for _, v := range values {
			points = append(points, chart.Point{Day: "1 Nov", At: "then", State: "good", Value: v, Text: label(v)})
		}
		c := chart.Draw("size", "Size", points, label)
		require.Len(t, c.Bars, len(values))
		right := 72.0
		for _, b := range c.Bars {
			require.GreaterOrEqual(t, b.X, right)
			right = b.X + b.Width
			require.InDelta(t, 100, b.Y+b.Height, 0.001)
			require.GreaterOrEqual(t, b.Height, 1.0, "%v: it would not be seen", values)
			require.GreaterOrEqual(t, b.Y, 8.0)
		}
		require.LessOrEqual(t, right, 360.0)
	}
	c := chart.Draw("time", "Duration", []chart.Point{{Day: "1 Nov", Value: 10, Text: "10 s"}, {Value: 40, Text: "40 s"}, {Day: "3 Nov", Value: 20, Text: "20 s"}}, label)
	require.Equal(t, "Duration of the last 3 backups, from 1 Nov to 3 Nov: between 10 s and 40 s, the newest 20 s.", c.Description)
	require.Equal(t, []string{"0 s", "20 s", "40 s"}, []string{c.Lines[0].Label, c.Lines[1].Label, c.Lines[2].Label})
}
