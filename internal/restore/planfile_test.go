package restore_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
)

func encoded(t testing.TB, p *restore.Plan) []byte {
	var b bytes.Buffer
	require.NoError(t, p.Encode(&b))
	return b.Bytes()
}

// TestAPlanThatWasChanged changes, cuts and mixes up lines.
func TestAPlanThatWasChanged(t *testing.T) {
	w := newWorld(t, map[string]thing{"a": {Value: "a"}, "b": {Value: "b", Needs: []string{"a"}, Lost: "x"}, "c": {Value: "c"}})
	whole := encoded(t, w.plan())
	lines := strings.SplitAfter(strings.TrimSuffix(string(whole), "\n"), "\n")
	require.Greater(t, len(lines), 4)
	for i := range whole {
		changed := bytes.Clone(whole)
		changed[i] ^= 1
		_, err := restore.DecodePlan(bytes.NewReader(changed))
		require.Error(t, err, "byte %d", i)
		_, err = restore.DecodePlan(bytes.NewReader(whole[:i]))
		code(t, fault.PlanInvalid, err)
	}
	for i := range lines {
		without := strings.Join(append(append([]string{}, lines[:i]...), lines[i+1:]...), "")
		_, err := restore.DecodePlan(strings.NewReader(without))
		require.Error(t, err, "line %d", i)
	}
	_, err := restore.DecodePlan(strings.NewReader(string(whole) + "\n"))
	code(t, fault.PlanInvalid, err)
	_, err = restore.DecodePlan(strings.NewReader(strings.Replace(string(whole), `"format":1`, `"format":2`, 1)))
	code(t, fault.FormatUnknown, err)
}

func FuzzDecodePlan(f *testing.F) {
	f.Add([]byte(`{"header":{"format":1,"kind":"restore"}}` + "\n" + `{"step":{"n":0,"within":-1,"needs":[0]}}` + "\n"))
	f.Add([]byte(`{"footer":{"lines":0,"sha256":""}}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := restore.DecodePlan(bytes.NewReader(data))
		if err != nil {
			require.True(t, fault.CodeOf(err) == fault.PlanInvalid || fault.CodeOf(err) == fault.FormatUnknown, "%v", err)
			return
		}
		require.Equal(t, string(data), string(encoded(t, p)), "what is read is what is written")
	})
}
