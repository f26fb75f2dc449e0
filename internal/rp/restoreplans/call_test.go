package restoreplans

import (
	"context"
	"errors"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/apierror"
	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/privsep"
	"infrabackup/internal/recovery"
	"infrabackup/internal/restore/planpage"
)

const someID = "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"

// asked notes what it was asked for, and keeps the bytes of keys as they were handed over.
type asked struct {
	Plans
	request recovery.Request
	consent recovery.Consent
	given   []recovery.Given
	fail    error
}

func (a *asked) Plan(_ context.Context, r recovery.Request, key privsep.OperatorKey, _ string) (control.Begun, error) {
	a.request, a.given = r, append(a.given, recovery.Given{Key: key})
	return control.Begun{ID: "run"}, a.fail
}

func (a *asked) Open(_ context.Context, _ string, given recovery.Given, _ string) (planpage.Page, error) {
	a.given = append(a.given, given)
	return planpage.Page{}, a.fail
}

func (a *asked) Apply(_ context.Context, _ string, c recovery.Consent, _ string) (control.Begun, error) {
	a.consent = c
	return control.Begun{ID: "run"}, nil
}

func (a *asked) Page(context.Context, string, planpage.Section, int, int, string) (planpage.Page, error) {
	return planpage.Page{}, a.fail
}

func call(a *asked, body string) Call {
	return Call{Plans: a, By: "anna", PlanID: "ab", Body: []byte(body), Newest: func() (backup.ID, error) { return "", apierror.NotFound("The location has no finished backup.") }}
}

// TestKeysAreCleared: what was sent and what was handed over is overwritten, also after an error.
func TestKeysAreCleared(t *testing.T) {
	for _, fail := range []error{nil, fault.Newf(fault.KeyPassword, "wrong")} {
		a := &asked{fail: fail}
		c := call(a, `{"backup":"`+someID+`","target":"site-b","key":{"pfx":"AAECAw==","password":"word"}}`)
		_, err := c.Make(t.Context())
		require.Equal(t, fail == nil, err == nil)
		require.Equal(t, make([]byte, len(c.Body)), c.Body)
		require.Equal(t, [][]byte{make([]byte, 4), make([]byte, 4)}, [][]byte{a.given[0].Key.File, a.given[0].Key.Password})
	}
	a := &asked{}
	_, err := call(a, `{"consent":{"target":"site-b"},"key":{"identity":"text"}}`).Apply(t.Context())
	require.NoError(t, err)
	require.Equal(t, make([]byte, 4), a.given[0].Key.File)
	require.Equal(t, "site-b", a.consent.Target)
	_, err = call(a, `{"consent":{"target":"site-b"},"key":{"identity":"text"},"backup":"latest"}`).Apply(t.Context())
	require.Error(t, err, "there is none")
}

// FuzzBodies: whatever is sent is refused in the form of the API, and none of a key is repeated.
func FuzzBodies(f *testing.F) {
	f.Add(`{"backup":"`+someID+`","target":"site-b","services":["CA"],"items":["a"],"patterns":["*"],"policy":"skip","policies":{"CA":"fail"},"key":{"pfx":"AAEC","password":"canary-word"}}`, "from=1&count=2&section=lost")
	f.Add(`{"consent":{"target":"site-b","production":"x","irreversible":["all"]},"key":{"identity":"canary-word"}}`, "from=x")
	f.Add(`{"key":{"pfx":[{}]}}`, "section=%00")
	f.Fuzz(func(t *testing.T, body, query string) {
		values, _ := url.ParseQuery(query)
		var errs [4]error
		_, errs[0] = call(&asked{}, body).Make(t.Context())
		_, errs[1] = call(&asked{}, body).Apply(t.Context())
		_, errs[2] = call(&asked{}, body).Open(t.Context())
		_, errs[3] = call(&asked{}, body).Read(t.Context(), values)
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
