package privsep

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
)

// The fields of a request to open a key, in their order: each is its length, as 32 bits in big
// endian order, and its bytes. It is not JSON, whose encoder keeps what it has written.
const (
	fieldKeyFile = iota
	fieldPassword
	fieldKeyAge
	openKeyFields
)

// orphanTime is how long a child lives at most: longer than its parent lets it.
const orphanTime = openTime + 5*time.Second

// fieldSizes bounds the fields.
var fieldSizes = [openKeyFields]uint32{fieldKeyFile: maxOperatorKey, fieldPassword: maxPassword, fieldKeyAge: seal.MaxKeyFile}

// openedKey is what the child writes: the backup's key, or why there is none.
type openedKey struct {
	Key        string    `json:"key,omitempty"`
	Recipients []string  `json:"recipients,omitempty"` // public halves of the operator's keys
	Fault      *keyFault `json:"fault,omitempty"`
}

// openKey is the child: it reads an operator's key file with its password, and a key.age, opens
// the one with the other, and writes an [openedKey]. When it ends, the kernel clears the memory
// that held the operator's key.
func openKey(p Process) int { return openKeyWithin(p, orphanTime) }

// openKeyWithin ends the process when the time is over: a parent that was killed does not do it,
// and the end of its input tells a child nothing that has read all of that.
func openKeyWithin(p Process, limit time.Duration) int {
	late := time.AfterFunc(limit, func() { os.Exit(fault.ExitFailed) })
	defer late.Stop()
	exit := fault.ExitOK
	answer, err := answerKeyFile(p)
	if err != nil {
		f := fault.As(err)
		answer, exit = openedKey{Fault: &keyFault{f.Code, f.Message()}}, fault.ExitFailed
	}
	if err := json.NewEncoder(p.Stdout).Encode(answer); err != nil {
		return fault.ExitFailed // nobody is left to tell
	}
	return exit
}

func answerKeyFile(p Process) (openedKey, error) {
	if err := p.Confine(); err != nil {
		return openedKey{}, err
	}
	lockMemory()
	fields, err := readFields(p.Stdin)
	if err != nil {
		return openedKey{}, err
	}
	operator, err := seal.ParseKeyFile(fields[fieldKeyFile], secret.New(string(fields[fieldPassword])))
	if err != nil {
		return openedKey{}, err
	}
	key, err := seal.OpenBackupKey(fields[fieldKeyAge], operator)
	if err != nil {
		return openedKey{}, err
	}
	answer := openedKey{Key: key.Text().Reveal()}
	for _, id := range operator {
		answer.Recipients = append(answer.Recipients, id.Public())
	}
	return answer, nil
}

// readFields reads a request to its end.
func readFields(r io.Reader) (fields [openKeyFields][]byte, err error) {
	for i := range fields {
		var size [4]byte
		if _, err := io.ReadFull(r, size[:]); err != nil {
			return fields, malformedRequest(err)
		}
		n := binary.BigEndian.Uint32(size[:])
		if n > fieldSizes[i] {
			return fields, malformedRequest(fmt.Errorf("field %d has %d bytes, at most %d are possible", i, n, fieldSizes[i]))
		}
		fields[i] = make([]byte, n)
		if _, err := io.ReadFull(r, fields[i]); err != nil {
			return fields, malformedRequest(err)
		}
	}
	if n, err := r.Read(make([]byte, 1)); n > 0 || err == nil {
		return fields, malformedRequest(fmt.Errorf("more follows"))
	}
	return fields, nil
}

func malformedRequest(why error) error {
	return fault.New(fault.Usage, "standard input is not a request to open a key", why)
}
