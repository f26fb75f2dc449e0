package serving

import (
	"cmp"
	"crypto/rand"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/codec"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/secret"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

const rotationHelp = `The codec key encrypts what Temporal keeps; it opens no backup. To replace it while
everything runs:

  1. codec-key add, on one host. Copy the file to every worker, to where
     infrabackup serve runs, to every host where this command runs and to every codec
     server, and restart the workers, serve and the codec servers one after the other.
     Now all know the new key.
  2. codec-key activate, on one host. Copy and restart again. Now all encrypt with it.
  3. infrabackup settings reseal, which re-encrypts the settings.
  4. codec-key remove, for the old key, and copy once more: not before Temporal has
     dropped the last run that the old key encrypted, which is its retention time
     after step 3.

A program without a key cannot read what was encrypted with it, and reports CODEC_KEY.`

// ChangedKey is what a change of the key file prints.
type ChangedKey struct {
	KeyID   string `json:"keyId"`
	KeyFile string `json:"keyFile"`
}

// Key is one key of the file, as `codec-key list` prints it.
type Key struct {
	KeyID  string `json:"keyId"`
	Active bool   `json:"active"`
}

func (s Surroundings) codecKeyCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "codec-key",
		Short: "Create and replace the key that encrypts what Temporal keeps",
		Long:  rotationHelp + "\n\n\"infrabackup codec-key generate\" creates the first key file.",
		Args:  args.None,
		RunE:  args.NeedsCommand,
	}
	var file string
	group.PersistentFlags().StringVar(&file, "codec-key-file", "", "codec key file (default: INFRABACKUP_CODEC_KEY_FILE)")
	group.AddCommand(s.codecKeyGenerateCommand(&file), s.codecKeyListCommand(&file), s.codecKeyAddCommand(&file), s.codecKeyActivateCommand(&file), s.codecKeyRemoveCommand(&file))
	return group
}

func (s Surroundings) codecKeyGenerateCommand(file *string) *cobra.Command {
	var out, id string
	cmd := &cobra.Command{
		Use:     "generate --out FILE",
		Short:   "Create the first codec key file, for the workers and the command line",
		Example: "  infrabackup codec-key generate --out /etc/infrabackup/codec.keys",
		Args:    args.None,
		RunE: func(*cobra.Command, []string) error {
			switch {
			case *file != "":
				return fault.Usagef("--codec-key-file names a file that is there; the first one is created where --out says")
			case out == "":
				return fault.Usagef("--out is needed")
			}
			key, err := codec.GenerateKeyLine(id, rand.Reader)
			if err != nil {
				return err
			}
			if err := localfile.Create(out, secret.New(key)); err != nil {
				return err
			}
			s.Say("The codec key is in %s. Copy it to every worker host, and to where infrabackup serve and this command run.", out)
			return s.printKey(id, out)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "file for the key; must not exist")
	cmd.Flags().StringVar(&id, "id", "k1", "name of the key")
	return cmd
}

func (s Surroundings) codecKeyListCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the keys of the file by id, the one that encrypts first",
		Example: "  infrabackup codec-key list",
		Args:    args.None,
		RunE: func(*cobra.Command, []string) error {
			ring, err := s.Keyring(*file)
			if err != nil {
				return err
			}
			var rows []Key
			for _, id := range ring.IDs() {
				rows = append(rows, Key{id, id == ring.Active()})
			}
			return s.Print(rows, func(w *tabwriter.Writer) {
				table.Line(w, "KEY", "USE")
				for _, row := range rows {
					use := "decrypts"
					if row.Active {
						use = "encrypts and decrypts"
					}
					table.Line(w, row.KeyID, use)
				}
			})
		},
	}
}

func (s Surroundings) codecKeyAddCommand(file *string) *cobra.Command {
	var id string
	cmd := &cobra.Command{
		Use:     "add [--id ID]",
		Short:   "Add a new key, which decrypts and does not encrypt yet",
		Long:    "Add a new key at the end of the file, which decrypts and does not encrypt yet.\n\n" + rotationHelp,
		Example: "  infrabackup codec-key add\n  infrabackup codec-key add --id k2 --codec-key-file /etc/infrabackup/codec.keys",
		Args:    args.None,
		RunE: func(*cobra.Command, []string) error {
			path, err := s.KeyFile(*file)
			if err != nil {
				return err
			}
			id := cmp.Or(id, "k"+time.Now().UTC().Format("20060102"))
			if err := codec.AddKey(path, id, rand.Reader); err != nil {
				return err
			}
			s.Say("Key %s is in %s and does not encrypt yet. Copy the file to every worker, to infrabackup serve, and to every command line and codec server, and restart them; then activate the key.", id, path)
			return s.printKey(id, path)
		},
	}
	cmd.Flags().StringVar(&id, "id", "", "name of the key (default: k and the date, such as k20261125)")
	return cmd
}

func (s Surroundings) codecKeyActivateCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "activate ID",
		Short: "Encrypt with a key that every host knows already",
		Long: `Move a key to the first place of the file, where it encrypts.

` + rotationHelp,
		Example: "  infrabackup codec-key activate k20261125",
		Args:    args.One("ID"),
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := s.KeyFile(*file)
			if err != nil {
				return err
			}
			if err := codec.ActivateKey(path, args[0]); err != nil {
				return err
			}
			s.Say("Key %s encrypts in %s. Copy the file again, restart again, then run \"infrabackup settings reseal\".", args[0], path)
			return s.printKey(args[0], path)
		},
	}
}

func (s Surroundings) codecKeyRemoveCommand(file *string) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "remove ID --yes",
		Short: "Remove a key that nothing is encrypted with any more",
		Long: `Remove a key from the file. What Temporal still keeps of it cannot be read any more,
settings included that were not resealed. On a terminal this asks first; scripts give
--yes.

` + rotationHelp,
		Example: "  infrabackup codec-key remove k1 --yes",
		Args:    args.One("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := s.KeyFile(*file)
			if err != nil {
				return err
			}
			if err := s.Consent(cmd.Context(), yes, args[0]); err != nil {
				return err
			}
			if err := codec.RemoveKey(path, args[0]); err != nil {
				return err
			}
			s.Say("Key %s is not in %s any more. Copy the file once more.", args[0], path)
			return s.printKey(args[0], path)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "really remove, without asking")
	return cmd
}

func (s Surroundings) printKey(id, path string) error {
	return s.Print(ChangedKey{id, path}, func(w *tabwriter.Writer) { table.Line(w, id) })
}
