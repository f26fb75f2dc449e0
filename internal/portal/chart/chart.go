package chart

import "fmt"

// The drawing area; CSS scales it.
const (
	width  = 360
	height = 100
	top    = 8
	left   = 72
	widest = 16 // of a bar
)

// Chart is a bar chart as SVG: numbers only, so that the page's colors apply.
type Chart struct {
	ID, Title, Description string
	Bars                   []Bar
	Lines                  []Line
	First, Last            string
}

// Bar is one of its bars.
type Bar struct {
	X, Y, Width, Height float64
	Tone, Label         string
}

// Line is a line of its grid.
type Line struct {
	Y     float64
	Label string
}

// Point is what a bar stands for.
type Point struct {
	Day, At, State, Tone string
	Value                float64
	Text                 string // the value in words
}

// Draw places a bar for each point, of which there has to be one; label is a value in words.
func Draw(id, title string, points []Point, label func(float64) string) Chart {
	newest := points[len(points)-1]
	c := Chart{ID: id, Title: title, First: points[0].Day, Last: newest.Day}
	highest, least, most := 0.0, "", ""
	lowest := -1.0
	for _, p := range points {
		if p.Value > highest || most == "" {
			highest, most = max(p.Value, 0), p.Text
		}
		if lowest < 0 || p.Value < lowest {
			lowest, least = p.Value, p.Text
		}
	}
	if highest == 0 {
		highest = 1
	}
	c.Description = fmt.Sprintf("%s of the last %d backups, from %s to %s: between %s and %s, the newest %s.", title, len(points), c.First, c.Last, least, most, newest.Text)
	step := float64(width-left) / float64(len(points))
	for i, p := range points {
		h := max(p.Value/highest*(height-top), 1)
		c.Bars = append(c.Bars, Bar{
			X: left + float64(i)*step + (step-min(step*0.76, widest))/2, Y: height - h, Width: min(step*0.76, widest), Height: h,
			Tone: p.Tone, Label: p.At + ": " + p.Text + ", " + p.State,
		})
	}
	for _, part := range []float64{0, 0.5, 1} {
		c.Lines = append(c.Lines, Line{Y: height - part*(height-top), Label: label(highest * part)})
	}
	return c
}
