package secretfile

import (
	"context"
	"errors"
	"strings"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

const (
	maxLineBytes  = 16 << 10  // of a secret on one line; API keys are JWTs of some KiB
	maxWholeBytes = 256 << 10 // of a file with a certificate and its private key
)

// ReadLine reads a secret that stands alone in a file, without the line end after it and
// without a byte order mark in front. The file must be what [secret.File] takes as
// private, at most 16 KiB long, and hold one line.
func ReadLine(path string) (secret.String, error) {
	data, err := read(path, maxLineBytes)
	if err != nil {
		return secret.String{}, err
	}
	return ParseLine(path, data)
}

// ParseLine takes what [ReadLine] reads from a file of that name.
func ParseLine(name string, data []byte) (secret.String, error) {
	data, err := secret.Text(data)
	if err != nil {
		return secret.String{}, fault.New(fault.ConfigInvalid, name+" cannot be used", err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case text == "":
		return secret.String{}, fault.Newf(fault.ConfigInvalid, "%s holds no secret", name)
	case len(text) > maxLineBytes:
		return secret.String{}, fault.Newf(fault.ConfigInvalid, "%s is larger than %d bytes", name, maxLineBytes)
	case strings.ContainsAny(text, "\x00\r\n"):
		return secret.String{}, fault.Newf(fault.ConfigInvalid, "%s holds more than one line", name)
	}
	return secret.New(text), nil
}

// ReadWhole reads a file that holds a private key, as it is: PEM or PKCS#12. The file must
// be what [secret.File] takes as private, and at most 256 KiB long.
func ReadWhole(path string) (secret.String, error) {
	data, err := read(path, maxWholeBytes)
	if err != nil {
		return secret.String{}, err
	}
	if len(data) == 0 {
		return secret.String{}, fault.Newf(fault.ConfigInvalid, "%s holds nothing", path)
	}
	return secret.New(string(data)), nil
}

// Unread is the fault for a file with a secret that [secret.File] did not read.
func Unread(err error) error {
	var refusal *secret.Refusal
	if errors.As(err, &refusal) {
		return fault.New(fault.ConfigInvalid, refusal.Error(), nil)
	}
	return fault.New(fault.ConfigInvalid, "a file with a secret cannot be read", err)
}

func read(path string, limit int64) ([]byte, error) {
	data, err := secret.File{MaxBytes: limit, Private: true}.Read(context.Background(), path) // a regular file does not let it wait
	if err != nil {
		return nil, Unread(err)
	}
	return data, nil
}
