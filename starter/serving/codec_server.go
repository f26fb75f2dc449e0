package serving

import (
	"context"
	"net"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"infrabackup/internal/codec"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/printable"
	"infrabackup/starter/args"
)

func (s Surroundings) codecServerCommand() *cobra.Command {
	var address, origin, tokenFile, keyFile string
	cmd := &cobra.Command{
		Use:   "codec-server --token-file F [--address HOST:PORT] [--origin URL]",
		Short: "Decrypt payloads for the Temporal Web UI",
		Long: `Serve the Temporal Web UI, so that it shows histories in clear. Callers must present
the token: enter http://HOST:PORT/TOKEN as the codec server's address in the Web UI.
Create one with: (umask 077; openssl rand -hex 16 > token)

It shows settings, passwords among them, to every holder of the token: keep it on the
loopback interface, or behind a proxy that speaks TLS.`,
		Example: "  infrabackup codec-server --token-file token --origin http://127.0.0.1:8233",
		Args:    args.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if tokenFile == "" {
				return fault.Usagef("--token-file is needed: a file that callers have to know the text of; create one with (umask 077; openssl rand -hex 16 > token)")
			}
			token, err := localfile.SecretLine(cmd.Context(), tokenFile)
			if err != nil {
				return err
			}
			if parsed, err := url.Parse(origin); err != nil || parsed.Host == "" || parsed.Path != "" {
				return fault.Usagef("--origin %s is not an origin such as http://127.0.0.1:8233", printable.Quote(origin))
			}
			ring, err := s.Keyring(keyFile)
			if err != nil {
				return err
			}
			return s.serveCodec(cmd.Context(), address, codec.NewHandler(codec.New(ring), origin, token))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&address, "address", "127.0.0.1:8081", "address to listen on")
	flags.StringVar(&origin, "origin", "http://127.0.0.1:8233", "origin of the Web UI that may call")
	flags.StringVar(&tokenFile, "token-file", "", "file with the token that callers present")
	flags.StringVar(&keyFile, "key-file", "", "codec key file (default: INFRABACKUP_CODEC_KEY_FILE)")
	former := s.codecKeyGenerateCommand(new(string))
	former.Use, former.Hidden = "key --out FILE", true // its name before it came to the others of codec-key
	cmd.AddCommand(former)
	return cmd
}

func (s Surroundings) serveCodec(ctx context.Context, address string, handler http.Handler) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fault.New(fault.Usage, "--address cannot be listened on", err)
	}
	s.Say("The codec server answers on %s. Enter this address in the Web UI, with the text of the token file: http://%s/TOKEN", listener.Addr(), listener.Addr())
	if tcp, ok := listener.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		s.Say("Warning: others can reach it, and the token and what it decrypts go over the network in clear. Put a proxy with TLS before it.")
	}
	return codec.Serve(ctx, listener, handler)
}
