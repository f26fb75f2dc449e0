package privsep

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

const (
	// keyTime bounds how long a key may take; a hybrid one takes milliseconds.
	keyTime = 30 * time.Second
	// keyWait is what a child that was ended may still hold its pipes.
	keyWait = 5 * time.Second

	maxKeyAnswer = 2 * seal.MaxKeyFile // in base64, with the public half
)

// KeyMaker makes backup keys in processes of their own. Go can erase no memory, so
// that a key which this process had made could be found in it for as long as it runs.
type KeyMaker struct {
	program string
	args    []string
	timeout time.Duration
}

// NewKeyMaker starts program, which is the worker: see [OwnProgram].
func NewKeyMaker(program string) KeyMaker {
	return KeyMaker{program, []string{makeKeyMode}, keyTime}
}

// MakeKey makes the key pair of one backup and returns its public half and its key.age,
// the private half wrapped to all of recipients. Errors are faults, KEY_INVALID for
// recipients that cannot be used and INTERNAL for what may succeed the next time; when
// ctx ends, the key is given up.
func (k KeyMaker) MakeKey(ctx context.Context, recipients []string) (recipient string, keyAge []byte, err error) {
	request, err := json.Marshal(recipients)
	if err != nil {
		return "", nil, fault.New(fault.Internal, "the recipients cannot be handed on", err)
	}
	bounded, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	stdout := boundedBuffer{limit: maxKeyAnswer}
	cmd, stderr := newCommand(bounded, k.program, k.args...)
	cmd.Stdin, cmd.Stdout, cmd.WaitDelay = bytes.NewReader(request), &stdout, keyWait
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "", nil, fmt.Errorf("create a backup key: %w", ctx.Err())
	case bounded.Err() != nil:
		return "", nil, fault.New(fault.Internal, fmt.Sprintf("the process that creates a backup's key did not end within %s", k.timeout), err)
	}
	return readKeyAnswer(stdout.data.Bytes(), stderr.data.Bytes(), err)
}

// readKeyAnswer takes what a child has written, and how it ended.
func readKeyAnswer(stdout, stderr []byte, ended error) (recipient string, keyAge []byte, err error) {
	var answer keyAnswer
	malformed := json.Unmarshal(stdout, &answer)
	if malformed == nil && answer.Fault != nil && answer.Fault.Code.Known() {
		return "", nil, fault.New(answer.Fault.Code, answer.Fault.What, nil)
	}
	if ended != nil {
		return "", nil, fault.New(fault.Internal, fmt.Sprintf("the process that creates a backup's key failed and reported %q", stderr), ended)
	}
	if _, err := seal.ParseRecipient(answer.Recipient); err != nil || malformed != nil {
		return "", nil, fault.New(fault.Internal, "the process that creates a backup's key gave no public half", errors.Join(malformed, err))
	}
	if len(answer.KeyAge) == 0 || len(answer.KeyAge) > seal.MaxKeyFile {
		return "", nil, fault.Newf(fault.Internal, "the process that creates a backup's key gave a key.age of %d bytes", len(answer.KeyAge))
	}
	return answer.Recipient, answer.KeyAge, nil
}
