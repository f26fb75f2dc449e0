package serving

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/auth"
	"infrabackup/internal/config"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator"
	"infrabackup/internal/printable"
	"infrabackup/internal/provider"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

// defaultLifetime is how long a token is good when nobody says.
const defaultLifetime = 90 * 24 * time.Hour

// createdToken is what -o json prints of a new token.
type createdToken struct {
	auth.Token
	Text string `json:"token"`
}

func (s Surroundings) tokenCommand() *cobra.Command {
	var file string
	group := &cobra.Command{Use: "token", Short: "API tokens of the process that serves API and page", Args: args.None, RunE: args.NeedsCommand}
	group.PersistentFlags().StringVar(&file, "config", DefaultConfig, "configuration `FILE` of infrabackup serve")
	group.AddCommand(s.tokenCreateCommand(&file), s.tokenListCommand(&file), s.tokenRevokeCommand(&file))
	return group
}

// tokens opens the file that the process reads.
func tokens(ctx context.Context, file string) (*auth.Tokens, error) {
	c, err := config.LoadServe(file)
	if err != nil {
		return nil, err
	}
	return provider.Tokens(ctx, c, true)
}

func (s Surroundings) tokenCreateCommand(file *string) *cobra.Command {
	var role string
	var lifetime time.Duration
	cmd := &cobra.Command{
		Use:   "create NAME --role reader|operator|owner [--for 2160h]",
		Short: "Make a token, and show it once",
		Long: `Make a token for a program that calls the API, or for a person who opens the page. It is
shown once and cannot be had again: only its digest is kept. A reader sees everything but
secrets, an operator also backs up and verifies, an owner also changes settings.`,
		Example: "  infrabackup token create monitoring --role reader",
		Args:    args.One("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := tokens(cmd.Context(), *file)
			if err != nil {
				return err
			}
			made, text, err := all.Create(cmd.Context(), auth.NewToken{Name: args[0], Role: auth.Role(role), Owner: operator.Requester(), Lifetime: lifetime})
			if err != nil {
				return err
			}
			return s.Print(createdToken{made, text.Reveal()}, func(w *tabwriter.Writer) {
				table.Line(w, "Token", text.Reveal())
				table.Line(w, "Role", string(made.Role))
				table.Line(w, "Good until", made.Expires.UTC().Format(time.RFC3339))
			})
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "what it may do: reader, operator or owner")
	cmd.Flags().DurationVar(&lifetime, "for", defaultLifetime, "how long it is good, at most a year")
	return cmd
}

func (s Surroundings) tokenListCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the tokens, and when each was last used",
		Example: "  infrabackup token list",
		Args:    args.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opened, err := tokens(cmd.Context(), *file)
			if err != nil {
				return err
			}
			all, err := opened.List(cmd.Context())
			if err != nil {
				return err
			}
			if all == nil {
				all = []auth.Token{}
			}
			return s.Print(all, func(w *tabwriter.Writer) {
				_, _ = fmt.Fprintln(w, "ID\tNAME\tROLE\tOWNER\tEXPIRES\tLAST USED\tSTATE") // a tabwriter keeps its error for Flush
				for _, t := range all {
					state := "good"
					switch {
					case !t.Revoked.IsZero():
						state = "revoked"
					case t.Ended(time.Now()):
						state = "expired"
					}
					used := "never"
					if !t.LastUsed.IsZero() {
						used = t.LastUsed.UTC().Format(time.RFC3339)
					}
					_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, printable.Text(t.Name), t.Role, printable.Text(t.Owner), t.Expires.UTC().Format(time.RFC3339), used, state)
				}
			})
		},
	}
}

func (s Surroundings) tokenRevokeCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:     "revoke ID",
		Short:   "End a token at once",
		Example: "  infrabackup token revoke 3fk29dq1",
		Args:    args.One("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opened, err := tokens(cmd.Context(), *file)
			if err != nil {
				return err
			}
			ended, err := opened.Revoke(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if ended.ID == "" {
				return fault.Newf(fault.ItemNotFound, "there is no token %s", printable.Quote(args[0]))
			}
			return s.Print(ended, func(w *tabwriter.Writer) { table.Line(w, "Revoked", ended.ID) })
		},
	}
}
