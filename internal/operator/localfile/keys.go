package localfile

import (
	"context"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/secret/secretfile"
)

// Identities reads the operator's private keys, which --identity names.
func Identities(ctx context.Context, files []string) ([]seal.Identity, error) {
	var all []seal.Identity
	for _, file := range files {
		data, err := Read(ctx, "--identity", file, true)
		if err != nil {
			return nil, err
		}
		found, err := seal.ParseIdentities(data)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// Recipients makes public keys of the forms in which an operator gives them: age recipients as
// text, and files with certificates and with symmetric keys. At least one has to be given.
func Recipients(ctx context.Context, recipients, certificates, keyFiles []string, now time.Time) ([]seal.Recipient, error) {
	var all []seal.Recipient
	add := func(r seal.Recipient, err error) error {
		all = append(all, r)
		return err
	}
	for _, text := range recipients {
		if err := add(seal.ParseRecipient(text)); err != nil {
			return nil, err
		}
	}
	for _, file := range certificates {
		data, err := Read(ctx, "--certificate", file, false)
		if err != nil {
			return nil, err
		}
		if err := add(seal.RecipientFromCertificate(data, now)); err != nil {
			return nil, err
		}
	}
	for _, file := range keyFiles {
		data, err := Read(ctx, "--key-file", file, true)
		if err != nil {
			return nil, err
		}
		if err := add(seal.RecipientFromSymmetricKey(secret.New(string(data)))); err != nil {
			return nil, err
		}
	}
	if len(all) == 0 {
		return nil, fault.Usagef("no key is given: use --recipient, --certificate or --key-file; create one with `infrabackup key generate`")
	}
	return all, nil
}

// SecretLine reads a secret that stands alone in a file, as [secretfile.ReadLine] does, or
// in what a shell makes of <(command).
func SecretLine(ctx context.Context, file string) (secret.String, error) {
	data, err := secret.File{MaxBytes: MaxBytes, Private: true, Descriptor: true}.Read(ctx, file)
	if err != nil && ctx.Err() == nil {
		return secret.String{}, secretfile.Unread(err)
	}
	if err != nil {
		return secret.String{}, fault.OfInput(ctx, "a file with a secret cannot be read", err)
	}
	return secretfile.ParseLine(file, data)
}
