package resource_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/arm"
	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/fault"
	"infrabackup/tests/lab/stamp"
)

// refusingSink takes nothing of a kind.
type refusingSink struct {
	*collecttest.Recorder
	kind string
	err  error
}

func (s refusingSink) Record(item backup.Item, document []byte) error {
	if item.Kind == s.kind {
		return s.err
	}
	return s.Recorder.Record(item, document)
}

// TestListOfAnUnknownType: that a type has a list is a guess, and what comes of the guess
// costs no more than the type.
func TestListOfAnUnknownType(t *testing.T) {
	const list = "/providers/contoso.widgets/gizmos"
	s := newScene(t, "Contoso.Widgets/gizmos")
	for name, answer := range map[string]stamp.Fault{
		"403":                   answering(http.StatusForbidden, `{"error":{"code":"AuthorizationFailed"}}`),
		"500":                   answering(http.StatusInternalServerError, `{"error":{"code":"InternalServerError"}}`),
		"501":                   answering(http.StatusNotImplemented, ``),
		"404":                   answering(http.StatusNotFound, ``),
		"elements without id":   answering(http.StatusOK, `{"value":[{"region":"x"}]}`),
		"elements, one without": answering(http.StatusOK, `{"value":[{"id":"/subscriptions/s/providers/contoso.widgets/gizmos/a"},{"region":"x"}]}`),
		"texts":                 answering(http.StatusOK, `["a"]`),
		"an error":              answering(http.StatusOK, `{"error":{"code":"Busy"}}`),
	} {
		t.Run(name, func(t *testing.T) {
			defer s.stamp.Inject(at(list, answer))()
			r, err := s.capture(t, arm.Table(elsewhere()), 0)
			require.NoError(t, err)
			objects := map[string]bool{}
			for _, g := range r.Gaps() {
				if g.Code == resource.GapTypeUnknown {
					objects[g.Object] = true
				}
			}
			require.True(t, objects["Contoso.Widgets/gizmos"])
		})
	}

	// What takes the items fails the capture, whatever it says.
	defer s.stamp.Inject(at(list, answering(http.StatusOK, `{"value":[{"id":"/subscriptions/s/providers/contoso.widgets/gizmos/a"}]}`)))()
	for _, refusal := range []error{errors.New("full"), fault.Newf(fault.SourceInvalid, "full")} {
		sink := refusingSink{&collecttest.Recorder{}, "resource", refusal}
		_, err := resource.New(s.source, arm.Table(elsewhere()), resource.Options{Now: time.Now}).Collect(t.Context(), sink)
		require.ErrorIs(t, err, refusal)
	}
}
