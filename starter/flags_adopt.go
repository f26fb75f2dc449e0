package main

import (
	"context"

	"infrabackup/internal/fault"
	"infrabackup/internal/operator"
	"infrabackup/internal/ui/table"

	"github.com/spf13/cobra"
)

// adoptFlags say whom to trust on a share that another controller wrote to.
type adoptFlags struct{ file string }

func (f *adoptFlags) register(cmd *cobra.Command, adopt *bool) {
	cmd.Flags().BoolVar(adopt, "adopt", false, "take over the backups that another controller of this instance left on the share")
	cmd.Flags().StringVar(&f.file, "allowed-signers", "", "with --adopt: trusted copy of the instance's allowed_signers")
}

func (f *adoptFlags) load(ctx context.Context, adopt bool) ([]byte, error) {
	switch {
	case f.file == "":
		return nil, nil
	case !adopt:
		return nil, fault.Usagef("--allowed-signers belongs to --adopt, which is missing")
	}
	return operator.ReadSigners(ctx, f.file, table.SettingsLabels...)
}
