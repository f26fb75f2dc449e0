package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/seal"
)

// recipientFlags are the forms in which an operator gives a public key.
type recipientFlags struct {
	recipients, certificates, keyFiles []string
}

func (k *recipientFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&k.recipients, "recipient", nil, "age recipient (age1... or ssh-rsa ...); may be repeated")
	flags.StringArrayVar(&k.certificates, "certificate", nil, "X.509 certificate with an RSA key of 2048 bits or more, PEM or DER; may be repeated")
	flags.StringArrayVar(&k.keyFiles, "key-file", nil, "file with a base64 symmetric key of 32 bytes or more; only its public half is sent; may be repeated")
}

// given reports whether any key was given.
func (k *recipientFlags) given() bool {
	return len(k.recipients)+len(k.certificates)+len(k.keyFiles) > 0
}

func (k *recipientFlags) load(ctx context.Context, now time.Time) ([]seal.Recipient, error) {
	return localfile.Recipients(ctx, k.recipients, k.certificates, k.keyFiles, now)
}
