package proving_test

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/operator/proving"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
)

// service challenges keys, and takes the answers.
type service struct {
	challenges []seal.Challenge
	answers    []string
}

// Challenges implements [proving.Service].
func (s *service) Challenges(context.Context, string) ([]seal.Challenge, error) {
	return s.challenges, nil
}

// Prove implements [proving.Service].
func (s *service) Prove(_ context.Context, answer secret.String, requestedBy string) (flow.KeyState, error) {
	s.answers = append(s.answers, answer.Reveal())
	return flow.KeyState{ProvenBy: requestedBy}, nil
}

func generate(t *testing.T) ([]seal.Identity, seal.Recipient) {
	t.Helper()
	text, recipient, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	keys, err := seal.ParseIdentities([]byte(text.Reveal()))
	require.NoError(t, err)
	return keys, recipient
}

func TestProving(t *testing.T) {
	held, recipient := generate(t)
	_, away := generate(t)
	s := &service{}
	for _, r := range []seal.Recipient{away, recipient} {
		text, _, err := seal.NewChallenge(r, "local", rand.Reader)
		require.NoError(t, err)
		s.challenges = append(s.challenges, seal.Challenge{Fingerprint: r.Fingerprint, Kind: r.Kind, Text: string(text)})
	}
	p := proving.Prover{Service: s, RequestedBy: "anna"}

	proven, err := p.ProveAll(t.Context(), held)
	require.NoError(t, err)
	require.Equal(t, []flow.KeyState{{ProvenBy: "anna"}}, proven)
	require.Len(t, s.answers, 1)
	other, _ := generate(t)
	_, err = p.ProveAll(t.Context(), other)
	require.ErrorIs(t, err, fault.KeyDoesNotFit)

	folder := filepath.Join(t.TempDir(), "challenges")
	written, err := p.WriteChallenges(t.Context(), folder)
	require.NoError(t, err)
	require.Len(t, written, 2)
	require.Equal(t, recipient.Fingerprint, written[1].Fingerprint)
	data, err := os.ReadFile(written[1].File)
	require.NoError(t, err)
	require.Equal(t, s.challenges[1].Text, string(data))
	_, err = p.WriteChallenges(t.Context(), folder)
	require.ErrorIs(t, err, fault.AlreadyExists)
}

// A second challenge into the same folder asks for none, so that the first stays good; a link
// that leads nowhere is there, too.
func TestChallengesAreNotOverwritten(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "challenge-1.age")
	require.NoError(t, os.WriteFile(file, []byte("earlier"), 0o600))
	_, err := proving.Prover{}.WriteChallenges(t.Context(), dir)
	require.ErrorIs(t, err, fault.AlreadyExists)
	require.NoError(t, os.Remove(file))
	require.NoError(t, os.Symlink(filepath.Join(dir, "elsewhere"), file))
	_, err = proving.Prover{}.WriteChallenges(t.Context(), dir)
	require.ErrorIs(t, err, fault.AlreadyExists)
	require.NoFileExists(t, filepath.Join(dir, "elsewhere"))
}
