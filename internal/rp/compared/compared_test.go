package compared

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/apierror"
	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/diff/diffpage"
	"infrabackup/internal/fault"
	"infrabackup/internal/privsep"
	"infrabackup/internal/recovery"
)

const idA, idB backup.ID = "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a12"

// asked notes what it was asked for, and keeps the bytes of keys as they were handed over.
type asked struct {
	request recovery.DiffRequest
	keys    [][]byte
	shared  bool
	fail    error
}

func (a *asked) Compare(_ context.Context, r recovery.DiffRequest, key privsep.OperatorKey, keyOfB *privsep.OperatorKey, _ string) (control.Begun, error) {
	a.request, a.keys, a.shared = r, append(a.keys, key.File, key.Password), keyOfB == nil
	if keyOfB != nil {
		a.keys = append(a.keys, keyOfB.File, keyOfB.Password)
	}
	return control.Begun{ID: "run"}, a.fail
}

func (a *asked) Page(context.Context, string, diffpage.Query, string) (diffpage.Page, error) {
	return diffpage.Page{}, a.fail
}

func call(a *asked, body string) Call {
	return Call{Diffs: a, By: "anna", Body: []byte(body), Back: func(n int) (backup.ID, error) {
		if n > 1 {
			return "", apierror.NotFound("The location has no such backup.")
		}
		return []backup.ID{idB, idA}[n], nil
	}}
}

// TestBegin: two backups by ID or number, one key or two, each of which is cleared.
func TestBegin(t *testing.T) {
	const key = `"key":{"pfx":"AAECAw==","password":"word"}`
	for body, want := range map[string]recovery.DiffRequest{
		`{` + key + `}`: {A: idA, B: idB},
		`{"a":"LATEST","b":"latest~1","services":["ad","CA"],` + key + `}`:  {A: idB, B: idA, Services: []backup.Service{backup.AD, backup.CA}},
		`{"a":"` + string(idB) + `","b":"` + string(idA) + `",` + key + `}`: {A: idB, B: idA},
	} {
		a := &asked{}
		c := call(a, body)
		_, err := c.Begin(t.Context())
		require.NoError(t, err, body)
		require.Equal(t, want, a.request)
		require.True(t, a.shared)
		require.Equal(t, make([]byte, len(c.Body)), c.Body)
		require.Equal(t, [][]byte{make([]byte, 4), make([]byte, 4)}, a.keys)
	}
	for _, test := range []struct {
		side   backup.ID
		body   string
		target string
	}{{idA, `{"keyOfB":{"identity":"canary"},` + key + `}`, "key.password"}, {idB, `{"keyOfB":{"identity":"canary"},` + key + `}`, "keyOfB.password"}, {idB, `{` + key + `}`, "key.password"}} {
		a := &asked{fail: &recovery.SideError{Backup: test.side, Err: fault.Newf(fault.KeyPassword, "wrong")}}
		_, err := call(a, test.body).Begin(t.Context())
		var shaped *apierror.Error
		require.True(t, errors.As(err, &shaped), "%v", err)
		require.Equal(t, test.target, shaped.Target)
		for _, bytes := range a.keys {
			require.Empty(t, strings.Trim(string(bytes), "\x00"), "cleared after an error, too")
		}
	}
	for _, body := range []string{``, `[]`, `{}`, `{"key":null}`, `{"key":"x"}`, `{"a":"x",` + key + `}`, `{"a":"latest",` + key + `}`, `{"a":"latest~2",` + key + `}`, `{"a":"latest~-1",` + key + `}`, `{"a":"latest~x",` + key + `}`,
		`{"services":["DNS"],` + key + `}`, `{"services":"AD",` + key + `}`, `{"services":[7],` + key + `}`, `{"target":"x",` + key + `}`, `{"keyOfB":{},` + key + `}`} {
		a := &asked{}
		_, err := call(a, body).Begin(t.Context())
		var shaped *apierror.Error
		require.True(t, errors.As(err, &shaped), "%s: %v", body, err)
		require.Empty(t, a.keys, body)
	}
}

// FuzzBodies: whatever is sent is refused in the form of the API, and none of a key is repeated.
func FuzzBodies(f *testing.F) {
	f.Add(`{"a":"latest~1","b":"latest","services":["CA"],"key":{"pfx":"AAEC","password":"canary-word"},"keyOfB":{"identity":"canary-word"}}`, "from=1&count=2&section=access&service=AD")
	f.Add(`{"key":{"pfx":[{}]}}`, "section=%00")
	f.Fuzz(func(t *testing.T, body, query string) {
		values, _ := url.ParseQuery(query)
		var errs [2]error
		_, errs[0] = call(&asked{}, body).Begin(t.Context())
		_, errs[1] = call(&asked{}, "").Read(t.Context(), string(idA), values)
		for _, err := range errs {
			var shaped *apierror.Error
			if err != nil {
				require.True(t, errors.As(err, &shaped), "%v", err)
				require.Less(t, shaped.Status, 500)
				require.NotContains(t, shaped.Message, "canary-word")
			}
		}
	})
}
