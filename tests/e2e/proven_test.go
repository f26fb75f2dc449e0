package e2e

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
)

// proven makes a key, and proves it before it is in use.
func (c *controller) proven() (seal.Recipient, []seal.Proof) {
	c.t.Helper()
	text, recipient, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(c.t, err)
	ids, err := seal.ParseIdentities([]byte(text.Reveal()))
	require.NoError(c.t, err)
	asked, err := seal.Ask(recipient, c.instance.Name, rand.Reader)
	require.NoError(c.t, err)
	answer, err := seal.AnswerChallenge([]byte(asked.Text), ids)
	require.NoError(c.t, err)
	proof, ok := asked.Answered(answer)
	require.True(c.t, ok)
	return recipient, []seal.Proof{proof}
}

// changed begins a change and waits for its end.
func (c *controller) changed(wanted control.Wanted) operation.Operation {
	c.t.Helper()
	wanted.RequestedBy = "anna"
	begun, err := c.door().BeginChange(c.t.Context(), wanted)
	require.NoError(c.t, err)
	var o operation.Operation
	require.Eventually(c.t, func() bool {
		o, err = c.door().Operation(c.t.Context(), begun.ID)
		return err == nil && !o.Running
	}, time.Minute, 50*time.Millisecond)
	return o
}

// A key that was proven before it is given is proven when it comes into use, at the first
// settings and at every change; one that was not, is not. After a change that was refused,
// nothing is left of its key.
func TestAProofComesWithItsKey(t *testing.T) {
	t.Parallel()
	c := newController(t, &items{service: backup.AD, records: 3})
	c.passwords = map[string]string{`CORP\backup`: "right"}
	first, proofs := c.proven()
	wanted := control.Wanted{
		First: true, Instance: c.instance, Share: &settings.Share{Path: `\\fs.example.test\AzSBackups`}, Username: `CORP\backup`, Password: secret.New("wrong"),
		Recipients: []seal.Recipient{first}, Proofs: proofs,
	}
	require.Equal(t, fault.ShareAuthFailed, c.changed(wanted).Fault.Code)
	wanted.Password = secret.New("right")
	require.Nil(t, c.changed(wanted).Fault)
	key := func() settings.RecipientSummary {
		now, err := c.door().Summary(t.Context())
		require.NoError(t, err)
		require.Len(t, now.Recipients, 1)
		return now.Recipients[0]
	}
	require.Equal(t, first.Fingerprint, key().Fingerprint)
	require.Equal(t, "anna", key().ProvenBy)
	require.WithinDuration(t, time.Now(), key().ProvenAt, time.Minute)

	second, _ := c.proven()
	require.Nil(t, c.changed(control.Wanted{Recipients: []seal.Recipient{second}}).Fault)
	require.Equal(t, second.Fingerprint, key().Fingerprint)
	require.True(t, key().ProvenAt.IsZero(), "it was not proven")

	third, proofs := c.proven()
	refused := c.changed(control.Wanted{Recipients: []seal.Recipient{third}, Proofs: proofs, Password: secret.New("wrong")})
	require.Equal(t, fault.ShareAuthFailed, refused.Fault.Code)
	require.Equal(t, second.Fingerprint, key().Fingerprint)
	require.Nil(t, c.changed(control.Wanted{Recipients: []seal.Recipient{third}, Proofs: proofs}).Fault)
	require.Equal(t, third.Fingerprint, key().Fingerprint)
	require.Equal(t, "anna", key().ProvenBy)

	before := key().ProvenAt
	begun, err := c.door().BeginChange(t.Context(), control.Wanted{Recipients: []seal.Recipient{third}, Proofs: proofs, RequestedBy: "bert"})
	require.NoError(t, err)
	require.True(t, begun.Unchanged)
	require.Equal(t, "bert", key().ProvenBy, "it is in use, and was proven again")
	require.True(t, key().ProvenAt.After(before))
}
