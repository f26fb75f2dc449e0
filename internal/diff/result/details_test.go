package result

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestDetails(t *testing.T) {
	var d Details
	require.False(t, d.Found())
	d.Add("a", "1")
	d.Remove("b", "2")
	d.Change("c", "3", "4")
	d.Secret("d", Changed)
	d.Ignore("etag")
	d.Ignore("etag")
	require.True(t, d.Found())
	encoded, err := json.Marshal(d.List)
	require.NoError(t, err)
	require.JSONEq(t, `[
		{"path":"a","change":"added","before":null,"after":"1","secret":false},
		{"path":"b","change":"removed","before":"2","after":null,"secret":false},
		{"path":"c","change":"changed","before":"3","after":"4","secret":false},
		{"path":"d","change":"changed","before":null,"after":null,"secret":true}]`, string(encoded))
	require.Equal(t, []Ignored{{"etag", 2}}, d.Ignored.List())
	require.NotNil(t, Reasons(nil).List())
	other := Details{}
	other.Add("e", "5")
	other.Ignore("times")
	d.Merge(&other)
	require.Len(t, d.List, 5)
	require.Equal(t, []Ignored{{"etag", 2}, {"times", 1}}, d.Ignored.List())
}

func TestDetailsAreBounded(t *testing.T) {
	var d Details
	for range maxDetails + 7 {
		d.Add(strings.Repeat("p", 10_000), strings.Repeat("v", 10_000))
	}
	require.Len(t, d.List, maxDetails)
	require.EqualValues(t, 7, d.More)
	require.Less(t, len(d.List[0].Path), maxPath+10)
	require.Less(t, len(*d.List[0].After), maxValue+10)
}

// TestSecretTextsAreNotShown whichever side they are on.
func TestSecretTextsAreNotShown(t *testing.T) {
	var d Details
	d.Change("settings.connection", "Server=a", "Server=a;Password=canary")
	d.Change("settings.connection", "Server=a;Password=canary", "Server=a")
	d.Add("description", "password: canary")
	d.Remove("description", "password: canary")
	for _, one := range d.List {
		require.True(t, one.Secret)
		require.Nil(t, one.Before)
		require.Nil(t, one.After)
	}
}

func TestShown(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for name, c := range map[string][2]string{
		"short": {"a", "b"}, "at the end": {long + "a", long + "b"}, "at the beginning": {"a" + long, "b" + long}, "longer": {long, long + "b"},
		"wide": {strings.Repeat("ü", 1000) + "a", strings.Repeat("ü", 1000) + "b"}, "no text": {"\xff\x00", "\xff\x01"},
	} {
		a, b := Shown(c[0], c[1])
		require.NotEqual(t, a, b, name)
		for _, s := range []string{a, b} {
			require.True(t, utf8.ValidString(s), name)
			require.Less(t, len(s), maxValue+20, name)
		}
		mirrorB, mirrorA := Shown(c[1], c[0])
		require.Equal(t, [2]string{a, b}, [2]string{mirrorA, mirrorB}, name)
	}
	a, b := Shown("same", "")
	require.Equal(t, "same", a)
	require.Empty(t, b)
}

func FuzzShown(f *testing.F) {
	f.Add("a", "b")
	f.Add(strings.Repeat("ü", 500), strings.Repeat("ü", 500)+"\xff")
	f.Fuzz(func(t *testing.T, a, b string) {
		shownA, shownB := Shown(a, b)
		require.True(t, utf8.ValidString(shownA) && utf8.ValidString(shownB))
		require.Less(t, len(shownA), maxValue+40)
		require.Less(t, len(shownB), maxValue+40)
	})
}

// TestEveryMemberIsDocumented: the JSON is an interface, and OPERATIONS.md says what it means.
func TestEveryMemberIsDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "OPERATIONS.md"))
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "### What changed between two backups\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n### ")
	seen := map[string]bool{}
	var walk func(typ reflect.Type)
	walk = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Slice, reflect.Pointer:
			walk(typ.Elem())
		case reflect.Struct:
			if typ.PkgPath() != reflect.TypeFor[Report]().PkgPath() {
				return // described where it belongs
			}
			for i := range typ.NumField() {
				name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
				require.NotEmpty(t, name, typ.Field(i).Name)
				require.Contains(t, section, "`"+name+"`", typ.Name())
				seen[name] = true
				walk(typ.Field(i).Type)
			}
		}
	}
	walk(reflect.TypeFor[Report]())
	require.Greater(t, len(seen), 45)
}
