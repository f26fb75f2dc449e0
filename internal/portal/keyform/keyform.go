package keyform

import (
	"io"
	"net/http"
	"strings"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

// The fields of the form.
const (
	Text = "recipients"  // public keys, one a line, or a certificate in PEM
	File = "certificate" // a file with one of these, or a certificate in DER; it takes the place of the text
)

// Read reads the keys of a form that was parsed, each once, none when none is given. An error is
// KEY_INVALID, and about the field that is named. Certificates have to be valid at now.
func Read(r *http.Request, now time.Time) (all []seal.Recipient, field string, err error) {
	data, given, err := file(r)
	if err != nil {
		return nil, File, err
	}
	if given {
		key, err := seal.LoadRecipient(data, now)
		return []seal.Recipient{key}, File, err
	}
	text := r.PostForm.Get(Text)
	if strings.Contains(text, "-----BEGIN ") {
		key, err := seal.LoadRecipient([]byte(text), now)
		return []seal.Recipient{key}, Text, err
	}
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := seal.ParseRecipient(line)
		if err != nil {
			return nil, Text, err
		}
		if !seen[key.Fingerprint] {
			seen[key.Fingerprint] = true
			all = append(all, key)
		}
	}
	return all, Text, nil
}

// maxFile bounds the file; the form has a bound of its own.
const maxFile = 64 << 10

// file reads the file. A browser sends a nameless and empty one where none was chosen;
// everything else is read or refused.
func file(r *http.Request) (data []byte, given bool, err error) {
	if r.PostForm.Get(File) != "" {
		return nil, false, fault.Newf(fault.KeyInvalid, "the certificate was sent as text and not as a file")
	}
	if r.MultipartForm == nil {
		return nil, false, nil
	}
	files := r.MultipartForm.File[File]
	switch {
	case len(files) == 0 || len(files) == 1 && files[0].Filename == "" && files[0].Size == 0:
		return nil, false, nil
	case len(files) > 1:
		return nil, false, fault.Newf(fault.KeyInvalid, "%d files were chosen, and one is taken", len(files))
	case files[0].Size == 0:
		return nil, false, fault.Newf(fault.KeyInvalid, "the file is empty")
	case files[0].Size > maxFile:
		return nil, false, fault.Newf(fault.KeyInvalid, "the file is too large for a certificate")
	}
	chosen, err := files[0].Open()
	if err != nil {
		return nil, false, fault.New(fault.KeyInvalid, "the file cannot be read", err)
	}
	defer func() { _ = chosen.Close() }() // only read
	if data, err = io.ReadAll(io.LimitReader(chosen, maxFile)); err != nil {
		return nil, false, fault.New(fault.KeyInvalid, "the file cannot be read", err)
	}
	return data, true, nil
}
