package privsep

import (
	"encoding/json"
	"io"

	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

// maxKeyRequest bounds what the child reads: a hundred recipients of any kind.
const maxKeyRequest = 1 << 20

// keyAnswer is what the child writes: public half and key.age, or why there is none.
type keyAnswer struct {
	Recipient string    `json:"recipient,omitempty"`
	KeyAge    []byte    `json:"keyAge,omitempty"`
	Fault     *keyFault `json:"fault,omitempty"`
}

// keyFault is a fault between the two processes.
type keyFault struct {
	Code fault.Code `json:"code"`
	What string     `json:"what"`
}

// makeKey is the child: it reads recipients, a list of texts in JSON, from standard
// input, makes a backup key, and writes a [keyAnswer] to standard output. When it
// ends, the kernel clears the memory that held the private half.
func makeKey(p Process) int {
	exit := fault.ExitOK
	answer, err := answerRecipients(p)
	if err != nil {
		f := fault.As(err)
		answer, exit = keyAnswer{Fault: &keyFault{f.Code, f.Message()}}, fault.ExitFailed
	}
	if err := json.NewEncoder(p.Stdout).Encode(answer); err != nil {
		return fault.ExitFailed // nobody is left to tell
	}
	return exit
}

func answerRecipients(p Process) (keyAnswer, error) {
	if err := p.Confine(); err != nil {
		return keyAnswer{}, err
	}
	lockMemory()
	data, err := io.ReadAll(io.LimitReader(p.Stdin, maxKeyRequest+1))
	if err != nil {
		return keyAnswer{}, fault.New(fault.Internal, "the recipients cannot be read from standard input", err)
	}
	if len(data) > maxKeyRequest {
		return keyAnswer{}, fault.Usagef("the recipients on standard input are longer than %d bytes", maxKeyRequest)
	}
	var recipients []string
	if json.Unmarshal(data, &recipients) != nil { // the cause might repeat what should not have come
		return keyAnswer{}, fault.Usagef("standard input is not a list of recipients in JSON")
	}
	var answer keyAnswer
	answer.Recipient, answer.KeyAge, err = seal.MakeWrappedKey(recipients)
	return answer, err
}
