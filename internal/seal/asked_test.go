package seal

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

// TestOnlyAnAnswerIsAProof: there is no proof without the private key, and one is of the key
// and the instance that were asked about alone.
func TestOnlyAnAnswerIsAProof(t *testing.T) {
	text, recipient := generate(t, false)
	_, other := generate(t, false)
	ids, err := ParseIdentities([]byte(text))
	require.NoError(t, err)
	asked, err := Ask(recipient, "north", rand.Reader)
	require.NoError(t, err)
	elsewhere, err := Ask(other, "north", rand.Reader)
	require.NoError(t, err)
	answer, err := AnswerChallenge([]byte(asked.Text), ids)
	require.NoError(t, err)

	proof, ok := asked.Answered(answer)
	require.True(t, ok)
	require.True(t, proof.Of(recipient.Fingerprint, "north"))
	require.False(t, proof.Of(recipient.Fingerprint, "south"))
	require.False(t, proof.Of(other.Fingerprint, "north"))
	require.Equal(t, DigestAnswer(answer), proof.Digest())

	for name, try := range map[string]struct {
		asked  Asked
		answer secret.String
	}{
		"no answer":                {asked, secret.String{}},
		"the challenge itself":     {asked, secret.New(asked.Text)},
		"the digest of the answer": {asked, secret.New(proof.Digest())},
		"to another challenge":     {elsewhere, answer},
		"nothing was asked":        {Asked{}, secret.String{}},
		"a challenge made by hand": {Asked{Challenge: asked.Challenge}, answer},
	} {
		proof, ok := try.asked.Answered(try.answer)
		require.False(t, ok, name)
		require.True(t, proof.IsZero(), name)
	}
	require.False(t, Proof{}.Of("", ""), "the zero value proves nothing")
	_, err = Ask(Recipient{Fingerprint: recipient.Fingerprint}, "north", rand.Reader)
	require.ErrorIs(t, err, fault.KeyInvalid)
}
