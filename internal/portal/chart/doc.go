// Package chart places the bars of a small bar chart, for a template that draws it as SVG.
//
// It knows neither what is measured nor how it looks. Start reading at [Draw].
package chart
