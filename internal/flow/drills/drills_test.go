package drills

import (
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore/drill"
)

const id, other backup.ID = "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a12"

// TestCheck: what this product does not send is refused.
func TestCheck(t *testing.T) {
	require.NoError(t, Input{Instance: "local", Count: MaxRows}.Check("local"))
	require.NoError(t, Input{Instance: "local", DrillID: id}.Check("local"))
	for name, in := range map[string]Input{
		"another instance": {Instance: "other", Count: 1}, "no rows": {Instance: "local"}, "too many": {Instance: "local", Count: MaxRows + 1}, "before the first": {Instance: "local", From: -1, Count: 1},
		"a folder": {Instance: "local", DrillID: "../x"}, "a page of one": {Instance: "local", DrillID: id, Count: 1},
	} {
		require.ErrorIs(t, in.Check("local"), fault.RequestRefused, name)
	}
}

// TestAnswers: an answer to another question is none.
func TestAnswers(t *testing.T) {
	one := []drill.Listed{{DrillID: id}}
	require.True(t, Output{Drills: one, From: 3}.Answers(Input{From: 3, Count: 1}))
	require.True(t, Output{Drills: one}.Answers(Input{DrillID: id}), "it is refused")
	require.True(t, Output{Drills: one, Certificate: &drill.Certificate{DrillID: id}}.Answers(Input{DrillID: id}))
	for name, test := range map[string]struct {
		out Output
		in  Input
	}{
		"another page":        {Output{Drills: one}, Input{From: 3, Count: 1}},
		"more than asked for": {Output{Drills: append(one, one...)}, Input{Count: 1}},
		"nothing":             {Output{}, Input{DrillID: id}},
		"another":             {Output{Drills: one}, Input{DrillID: other}},
		"what another says":   {Output{Drills: one, Certificate: &drill.Certificate{DrillID: other}}, Input{DrillID: id}},
		"one in a list":       {Output{Drills: one, Certificate: &drill.Certificate{}}, Input{Count: 1}},
	} {
		require.False(t, test.out.Answers(test.in), name)
	}
}
