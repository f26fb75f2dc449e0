package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBreaksAreWhereTheCodeIs keeps the table true to the code: a row whose text was
// rewritten would break nothing, and be noticed by nobody until the next "make mutants".
func TestBreaksAreWhereTheCodeIs(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("..", "..", m.file))
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(string(text), m.old), "%s has %q", m.file, m.old)
			require.NotEqual(t, m.old, m.new)
		})
	}
}
