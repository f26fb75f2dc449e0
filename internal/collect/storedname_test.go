package collect

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestShortenElement(t *testing.T) {
	for _, name := range []string{"", "a", strings.Repeat("x", MaxElement), strings.Repeat("é", MaxElement/2)} {
		got, shortened := ShortenElement(name)
		require.False(t, shortened)
		require.Equal(t, name, got)
	}
	seen := map[string]string{}
	for _, piece := range []string{"x", "é", "語", "\xe4", "%E4", "%", "~"} {
		for n := range 4 {
			name := strings.Repeat(piece, 300) + strings.Repeat("z", n)
			got, shortened := ShortenElement(name)
			require.True(t, shortened)
			require.LessOrEqual(t, len(got), MaxElement)
			require.Greater(t, len(got), MaxElement-8)
			require.Equal(t, utf8.ValidString(name), utf8.ValidString(got))
			require.Empty(t, seen[got], "two names become one")
			seen[got] = name
		}
	}
}

func TestShortenPath(t *testing.T) {
	long := strings.Repeat("x", 300)
	got, shortened := ShortenPath("a/b", MaxPath)
	require.False(t, shortened)
	require.Equal(t, "a/b", got)
	got, shortened = ShortenPath("a/"+long+"/b", MaxPath)
	require.True(t, shortened)
	require.Regexp(t, `^a/x+~[0-9a-f]{32}/b$`, got)
	deep := strings.Repeat("d/", 3000)
	one, shortened := ShortenPath(deep+"1", MaxPath)
	require.True(t, shortened)
	require.Regexp(t, `^~[0-9a-f]{32}/1$`, one)
	other, _ := ShortenPath("x/"+deep+"1", MaxPath)
	require.NotEqual(t, one, other)
}

func FuzzShortenPath(f *testing.F) {
	f.Add("a/b", "c")
	f.Add(strings.Repeat("%E4", 100), strings.Repeat("/x", 5000))
	f.Fuzz(func(t *testing.T, a, b string) {
		short, cut := ShortenPath(a, 1000)
		if cut != (short != a) || len(short) > 1000 {
			t.Fatalf("%q becomes %q", a, short)
		}
		if other, otherCut := ShortenPath(b, 1000); a != b && cut && otherCut && other == short {
			t.Fatalf("%q and %q become one", a, b)
		}
	})
}
