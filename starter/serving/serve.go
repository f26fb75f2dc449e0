package serving

import (
	"context"
	"io"
	"log/slog"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/build"
	"infrabackup/internal/codec"
	"infrabackup/internal/config"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/privsep"
	"infrabackup/internal/provider"
	"infrabackup/internal/telemetry"
	"infrabackup/internal/temporal"
	"infrabackup/starter/args"
)

// Surroundings is what the commands get from the program.
type Surroundings struct {
	Lookup func(name string) (string, bool)
	Stderr io.Writer
	// Print writes one JSON document, or else what table says.
	Print func(document any, table func(w *tabwriter.Writer)) error
	// Say writes a message for people.
	Say func(format string, args ...any)
	// Consent asks whether something is really wanted, unless yes says so.
	Consent func(ctx context.Context, yes bool, name string) error
	// Keyring loads the codec's keys from file, or from where the environment says, which
	// is KeyFile.
	Keyring func(file string) (*codec.Keyring, error)
	KeyFile func(file string) (string, error)
}

// identity is what the process is called in Temporal and in its telemetry.
const identity = "infrabackup-serve"

// DefaultConfig is where the configuration of the process lies.
const DefaultConfig = "/etc/infrabackup/serve.yaml"

// Commands returns the commands.
func Commands(s Surroundings) []*cobra.Command {
	return []*cobra.Command{s.serveCommand(), s.tokenCommand(), s.codecServerCommand(), s.codecKeyCommand()}
}

func (s Surroundings) serveCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve [--config F]",
		Short: "Serve the Backup Resource Provider's API and the operators' page",
		Long: `Serve the API of Microsoft.Backup.Admin, as clients of Azure Stack use it, and the page on
which operators enable backup, watch it and change its settings. It speaks TLS only, and is
a process and an account of its own: the workers need no open port.

While there is no API token and no issuer, it says a token that begins one session of an
owner, good for ten minutes. API tokens are made with: infrabackup token create`,
		Example: "  infrabackup serve --config /etc/infrabackup/serve.yaml",
		Args:    args.None,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.serve(cmd.Context(), file) },
	}
	cmd.Flags().StringVar(&file, "config", DefaultConfig, "configuration file")
	return cmd
}

func (s Surroundings) serve(ctx context.Context, file string) error {
	c, err := config.LoadServe(file)
	if err != nil {
		return err
	}
	if err := privsep.Confine(); err != nil {
		return err
	}
	logger := telemetry.NewLogger(s.Stderr, c.Log.Format, c.Log.Level)
	ring, err := codec.LoadKeyring(c.Codec.KeyFile)
	if err != nil {
		return err
	}
	measured, err := telemetry.Start(ctx, telemetry.Options{ServiceName: identity, Version: build.Version(), Logger: logger, Lookup: s.Lookup})
	if err != nil {
		return err
	}
	defer measured.Flush(logger)
	options, err := temporal.FromConfig(c.Temporal, s.Lookup)
	if err != nil {
		return err
	}
	options.Codec, options.Logger, options.Identity, options.Telemetry = codec.New(ring), logger, identity, measured
	logger.Info("starting", "version", build.Version(), "temporal", options.Address, "namespace", options.Namespace)
	client, err := temporal.Dial(ctx, options)
	if err != nil {
		return err
	}
	defer client.Close()
	controllers := map[string]*control.Controller{}
	for _, i := range c.Instances {
		controllers[i.Name] = control.New(client, temporal.DataConverter(options.Codec), options.Namespace, i.Name)
	}
	p, err := provider.New(ctx, c, options.Namespace, controllers, logger)
	if err != nil {
		return err
	}
	if err := p.Measure(measured); err != nil {
		return fault.New(fault.Internal, "alerts cannot be reported as metrics", err)
	}
	s.Say("The page and the API answer on %s, listening on %s.", c.BaseURL, p.Addr())
	s.sayFirstToken(ctx, p.FirstToken, logger)
	return p.Run(ctx)
}

// sayFirstToken says the token of the first login, if one is needed. Without one the service
// is of use all the same: to callers with a certificate, and to those who make a token by the
// command line.
func (s Surroundings) sayFirstToken(ctx context.Context, first func(context.Context) (string, error), logger *slog.Logger) {
	token, err := first(ctx)
	switch {
	case err != nil:
		logger.Warn("no token for a first login was made; make one with: infrabackup token create", "error", err)
	case token != "":
		s.Say("There is no API token and no issuer yet. This token begins one session of an owner, within ten minutes: %s", token)
	}
}
