package temporal

import (
	"cmp"
	"log/slog"
	"os"
	"strings"
	"time"

	"go.temporal.io/sdk/contrib/envconfig"

	"infrabackup/internal/codec"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
	"infrabackup/internal/telemetry"
)

// Defaults of [Options].
const (
	DefaultAddress        = "127.0.0.1:7233"
	DefaultNamespace      = "default"
	DefaultConnectTimeout = 10 * time.Second
)

// Options say how to reach a Temporal cluster.
type Options struct {
	Address   string // host:port of the frontend; DefaultAddress when empty
	Namespace string // DefaultNamespace when empty
	TLS       TLS
	APIKey    secret.String // bearer token; needs TLS
	// APIKeyFile is where the token is read again, for tokens that end; not when empty.
	APIKeyFile string
	Identity   string // of this process, as the Web UI shows it; the SDK's default when empty

	// ConnectTimeout bounds [Dial]; DefaultConnectTimeout when zero.
	ConnectTimeout time.Duration

	Codec *codec.Codec // required
	// TakeOutdated is for the process that converts what an earlier version wrote, see
	// [TakeOutdated].
	TakeOutdated bool

	Logger    *slog.Logger         // for the SDK's own messages; slog.Default when nil
	Telemetry *telemetry.Telemetry // nil records nothing
}

// TLS secures the connection. It is used when Enabled is set or any of the other
// fields is; the zero value is plain text. The server's certificate is always
// verified.
type TLS struct {
	Enabled    bool
	CertFile   string // client certificate, PEM; read again for each connection
	KeyFile    string // its key, PEM
	CAFile     string // CAs that the server's certificate is checked against; the system's when empty
	ServerName string // name in the server's certificate, when it differs from Address
}

func (t TLS) used() bool { return t != TLS{} }

// FromEnvironment reads Temporal's standard variables: TEMPORAL_ADDRESS,
// TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS and TEMPORAL_TLS_… with the
// paths of files; address and namespace are the defaults where none is given. Temporal's configuration file (TEMPORAL_CONFIG_FILE) is not
// read. Variables that would weaken the connection, put keys into the
// environment or that this package would have to ignore are refused with a
// CONFIG_INVALID fault. Lookup is os.LookupEnv when nil.
func FromEnvironment(lookup func(name string) (string, bool)) (Options, error) {
	if lookup == nil {
		lookup = os.LookupEnv
	}
	profile, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{
		DisableFile: true,
		EnvLookup:   environment(lookup),
	})
	if err != nil {
		return Options{}, fault.New(fault.ConfigInvalid, "the TEMPORAL_… variables were refused", err)
	}
	o := Options{
		Address: cmp.Or(profile.Address, DefaultAddress), Namespace: cmp.Or(profile.Namespace, DefaultNamespace), APIKey: secret.New(profile.APIKey),
	}
	if profile.Authority != "" {
		return Options{}, fault.Newf(fault.ConfigInvalid, "TEMPORAL_CLIENT_AUTHORITY is not supported; use TEMPORAL_TLS_SERVER_NAME")
	}
	if profile.TLS == nil {
		o.TLS.Enabled = profile.APIKey != "" // as in Temporal's own tools
		return o, nil
	}
	t := profile.TLS
	switch {
	case len(t.ClientCertData)+len(t.ClientKeyData)+len(t.ServerCACertData) > 0:
		return Options{}, fault.Newf(fault.ConfigInvalid, "TEMPORAL_TLS_…_DATA is not supported, because other processes can read an environment; use TEMPORAL_TLS_…_PATH")
	case t.DisableHostVerification:
		return Options{}, fault.Newf(fault.ConfigInvalid, "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION is not supported; name the CA with TEMPORAL_TLS_SERVER_CA_CERT_PATH")
	}
	if t.Disabled {
		return o, nil
	}
	o.TLS = TLS{
		Enabled:    true,
		CertFile:   t.ClientCertPath,
		KeyFile:    t.ClientKeyPath,
		CAFile:     t.ServerCACertPath,
		ServerName: t.ServerName,
	}
	return o, nil
}

// environment gives envconfig the variables that it asks for by name. It lists
// none, so that gRPC metadata is not taken from the environment.
type environment func(name string) (string, bool)

func (e environment) LookupEnv(name string) (string, bool) {
	value, ok := e(name)
	return strings.TrimSpace(value), ok && strings.TrimSpace(value) != ""
}

func (e environment) Environ() []string { return nil }
