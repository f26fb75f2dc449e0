package proving

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
)

// Service is what proving needs of the service.
type Service interface {
	// Challenges makes one for each current key, in the place of earlier ones.
	Challenges(ctx context.Context, requestedBy string) ([]seal.Challenge, error)
	// Prove takes what opening a challenge gave.
	Prove(ctx context.Context, answer secret.String, requestedBy string) (flow.KeyState, error)
}

// Prover proves keys for an operator.
type Prover struct {
	Service     Service
	RequestedBy string
}

// File is a challenge that was written.
type File struct {
	Fingerprint string `json:"fingerprint"`
	File        string `json:"file"`
}

// WriteChallenges writes a challenge for each key into a folder, which is created when missing.
// Challenges that lie there are not overwritten.
func (p Prover) WriteChallenges(ctx context.Context, folder string) ([]File, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fault.New(fault.Usage, "the folder for the challenges cannot be created", err)
	}
	// Looked at first: new challenges take the place of those that are there.
	if _, err := os.Lstat(path(folder, 0)); err == nil {
		return nil, localfile.Occupied(path(folder, 0))
	}
	challenges, err := p.Service.Challenges(ctx, p.RequestedBy)
	if err != nil {
		return nil, err
	}
	var written []File
	for i, challenge := range challenges {
		file := path(folder, i)
		if err := localfile.Create(file, secret.New(challenge.Text)); err != nil {
			return nil, err
		}
		written = append(written, File{Fingerprint: challenge.Fingerprint, File: file})
	}
	return written, nil
}

func path(folder string, i int) string {
	return filepath.Join(folder, fmt.Sprintf("challenge-%d.age", i+1))
}

// Answer proves the key that opened a challenge.
func (p Prover) Answer(ctx context.Context, answer secret.String) ([]flow.KeyState, error) {
	state, err := p.Service.Prove(ctx, answer, p.RequestedBy)
	if err != nil {
		return nil, err
	}
	return []flow.KeyState{state}, nil
}

// ProveAll proves those of the current keys that are given. KEY_DOES_NOT_FIT when none is.
func (p Prover) ProveAll(ctx context.Context, keys []seal.Identity) ([]flow.KeyState, error) {
	challenges, err := p.Service.Challenges(ctx, p.RequestedBy)
	if err != nil {
		return nil, err
	}
	var proven []flow.KeyState
	for _, challenge := range challenges {
		state, err := p.open(ctx, challenge.Text, keys)
		if fault.CodeOf(err) == fault.KeyDoesNotFit {
			continue
		}
		if err != nil {
			return nil, err
		}
		proven = append(proven, state)
	}
	if len(proven) == 0 {
		return nil, fault.Newf(fault.KeyDoesNotFit, "the given key is none of the %d current ones", len(challenges))
	}
	return proven, nil
}

func (p Prover) open(ctx context.Context, challenge string, keys []seal.Identity) (flow.KeyState, error) {
	answer, err := seal.AnswerChallenge([]byte(challenge), keys)
	if err != nil {
		return flow.KeyState{}, err
	}
	return p.Service.Prove(ctx, answer, p.RequestedBy)
}
