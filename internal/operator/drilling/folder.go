package drilling

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"infrabackup/internal/fault"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/drill"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
)

// maxListed bounds the certificates of one folder.
const maxListed = 10_000

// prepare makes the folder when it is missing and sees that it takes a file, since what a drill
// has proven would be lost otherwise. It returns the digest of the newest certificate in it,
// empty when there is none.
func prepare(ctx context.Context, folder string) (previous string, err error) {
	if err := localfile.OffShare("--certificates", filepath.Join(folder, "certificate"), ""); err != nil {
		return "", err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fault.New(fault.Usage, "the folder of certificates cannot be created", err)
	}
	probe, err := os.CreateTemp(folder, ".probe-*")
	if err != nil {
		return "", fault.New(fault.Usage, "the folder of certificates takes no file", err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return "", fault.New(fault.Usage, "the folder of certificates cannot be used", err)
	}
	names, err := names(folder)
	if err != nil || len(names) == 0 {
		return "", err
	}
	line, err := content(ctx, filepath.Join(folder, names[len(names)-1]))
	if err != nil {
		return "", err
	}
	return restore.Digest(line), nil
}

// Write signs a certificate and puts it into a folder. The
// signature is there first, so that a certificate without one was never finished.
func Write(folder string, c *drill.Certificate, key *seal.SigningKey) (file string, err error) {
	line, signature, err := Sign(c, key)
	if err != nil {
		return "", err
	}
	file = filepath.Join(folder, c.FileName())
	if err := localfile.Create(file+drill.SignatureSuffix, secret.New(string(signature))); err != nil {
		return "", err
	}
	return file, localfile.Create(file, secret.New(string(line)))
}

// Read reads a certificate that a key of the list signed. Errors are those of [Verify], and
// USAGE for files that cannot be read.
func Read(ctx context.Context, file string, signers []byte) (*drill.Certificate, string, error) {
	line, err := content(ctx, file)
	if err != nil {
		return nil, "", err
	}
	signature, err := content(ctx, file+drill.SignatureSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", fault.New(fault.CertificateForged, "there is no signature beside "+file, nil)
	}
	if err != nil {
		return nil, "", err
	}
	return Verify(line, signature, signers)
}

func content(ctx context.Context, file string) ([]byte, error) {
	data, err := secret.File{MaxBytes: drill.MaxCertificate}.Read(ctx, file)
	if err != nil {
		return nil, fault.New(fault.Usage, file+" cannot be read", err)
	}
	return data, nil
}

// Listed is one certificate of a folder.
type Listed struct {
	File        string             `json:"file"`
	Certificate *drill.Certificate `json:"certificate"` // null for what is none
	Code        string             `json:"code"`        // why it is not to be believed, empty when it is
	Signer      string             `json:"signer"`
}

// List reads all certificates of a folder, the newest first. One that is not to be believed is
// listed with the reason.
func List(ctx context.Context, folder string, signers []byte) ([]Listed, error) {
	names, err := names(folder)
	if err != nil {
		return nil, err
	}
	all := []Listed{}
	for _, name := range slices.Backward(names) {
		one := Listed{File: filepath.Join(folder, name)}
		one.Certificate, one.Signer, err = Read(ctx, one.File, signers)
		if err != nil {
			one.Certificate, one.Code = nil, string(fault.CodeOf(err))
		}
		all = append(all, one)
	}
	return all, nil
}

// names are the certificates of a folder, the oldest first.
func names(folder string) (all []string, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fault.New(fault.Usage, "the folder of certificates cannot be read", err)
	}
	for _, e := range entries {
		if drill.IsFileName(e.Name()) {
			all = append(all, e.Name())
		}
	}
	if len(all) > maxListed {
		return nil, fault.Newf(fault.LimitExceeded, "%s holds more than %d certificates", folder, maxListed)
	}
	return all, nil
}
