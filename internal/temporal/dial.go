package temporal

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"infrabackup/internal/fault"
	"infrabackup/internal/roots"
	"infrabackup/internal/secret"
)

// maxPEMBytes bounds the CA file: the whole bundle of a Linux distribution has
// about 250 KB.
const maxPEMBytes = 4 << 20

// Dial connects and makes sure that the namespace exists. It returns within
// [Options.ConnectTimeout]. Errors are faults: TEMPORAL_UNREACHABLE when the
// cluster does not answer (within ctx's deadline either) or refuses the caller,
// CONFIG_INVALID for options that cannot work and CANCELLED when ctx was cancelled. The
// caller closes the client.
func Dial(ctx context.Context, o Options) (client.Client, error) {
	o = o.withDefaults()
	options, err := o.clientOptions()
	if err != nil {
		return nil, err
	}
	dialCtx, cancel := context.WithTimeout(ctx, o.ConnectTimeout)
	defer cancel()
	c, err := client.DialContext(dialCtx, options)
	if err != nil {
		return nil, o.unreachable(ctx, err)
	}
	_, err = c.WorkflowService().DescribeNamespace(dialCtx, &workflowservice.DescribeNamespaceRequest{Namespace: o.Namespace})
	var denied *serviceerror.PermissionDenied
	// A caller may be allowed to work in a namespace that it may not describe.
	if err != nil && !errors.As(err, &denied) {
		c.Close()
		return nil, o.unreachable(ctx, err)
	}
	return c, nil
}

func (o Options) withDefaults() Options {
	if o.Address == "" {
		o.Address = DefaultAddress
	}
	if o.Namespace == "" {
		o.Namespace = DefaultNamespace
	}
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = DefaultConnectTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

func (o Options) clientOptions() (client.Options, error) {
	if o.Codec == nil {
		return client.Options{}, fault.Newf(fault.ConfigInvalid, "no codec key is given, so payloads could not be encrypted")
	}
	interceptors, err := o.Telemetry.Interceptors()
	if err != nil {
		return client.Options{}, fault.New(fault.Internal, "tracing could not be set up", err)
	}
	var taking []ConverterOption
	if o.TakeOutdated {
		taking = append(taking, TakeOutdated())
	}
	options := client.Options{
		HostPort:         o.Address,
		Namespace:        o.Namespace,
		Identity:         o.Identity,
		Logger:           NewLogger(o.Logger),
		MetricsHandler:   o.Telemetry.MetricsHandler(),
		DataConverter:    DataConverter(o.Codec, taking...),
		FailureConverter: FailureConverter(o.Codec, taking...),
		Interceptors:     append(interceptors, &answering{namespace: o.Namespace, failures: FailureConverter(o.Codec, taking...)}),
		ConnectionOptions: client.ConnectionOptions{
			GetSystemInfoTimeout: o.ConnectTimeout,
			GrpcCompression:      &client.GrpcCompressionNone{}, // payloads are ciphertext, which nothing compresses
		},
	}
	if !o.TLS.used() {
		if !o.APIKey.IsZero() {
			return client.Options{}, fault.Newf(fault.ConfigInvalid, "a Temporal API key is given without TLS and would travel in clear; set TEMPORAL_TLS=true or the tls settings")
		}
		return options, nil
	}
	if options.ConnectionOptions.TLS, err = o.TLS.config(o.Logger); err != nil {
		return client.Options{}, err
	}
	if !o.APIKey.IsZero() {
		options.Credentials = o.credentials()
	}
	return options, nil
}

func (o Options) credentials() client.Credentials {
	if o.APIKeyFile == "" {
		return client.NewAPIKeyStaticCredentials(o.APIKey.Reveal())
	}
	file := &tokenFile{path: o.APIKeyFile, logger: o.Logger, now: time.Now, last: o.APIKey.Reveal(), looked: time.Now()}
	return client.NewAPIKeyDynamicCredentials(file.token)
}

func (t TLS) config(logger *slog.Logger) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if (t.CertFile == "") != (t.KeyFile == "") {
		return nil, fault.Newf(fault.ConfigInvalid, "of the client certificate for Temporal and its key only one is given")
	}
	if t.CertFile != "" {
		pair, err := t.clientCertificate()
		if err != nil {
			return nil, fault.New(fault.ConfigInvalid, fmt.Sprintf("the client certificate %s for Temporal, or its key %s, was refused", t.CertFile, t.KeyFile), err)
		}
		config.GetClientCertificate = t.renewed(pair, logger)
	}
	if t.CAFile != "" {
		var err error
		if config.RootCAs, err = roots.File(context.Background(), t.CAFile); err != nil {
			return nil, fault.New(fault.ConfigInvalid, "the CA file "+t.CAFile+" for Temporal cannot be used", err)
		}
	}
	return config, nil
}

// clientCertificate reads certificate and key. Regular files, which these have to be,
// do not let it wait.
func (t TLS) clientCertificate() (tls.Certificate, error) {
	certificate, err := secret.File{MaxBytes: maxPEMBytes}.Read(context.Background(), t.CertFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := secret.File{MaxBytes: maxPEMBytes, Private: true}.Read(context.Background(), t.KeyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certificate, key)
}

func (o Options) unreachable(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fault.New(fault.Cancelled, fmt.Sprintf("connecting to Temporal at %s was given up", o.Address), ctx.Err())
	}
	var (
		missing *serviceerror.NamespaceNotFound
		denied  *serviceerror.PermissionDenied
	)
	switch {
	case ctx.Err() != nil:
		return fault.New(fault.TemporalUnreachable, fmt.Sprintf("Temporal at %s did not answer in the time that was given", o.Address), err)
	case errors.As(err, &missing):
		f := fault.New(fault.TemporalUnreachable, fmt.Sprintf("Temporal at %s has no namespace %q", o.Address, o.Namespace), err)
		f.Advice = "Create it while the server runs (temporal operator namespace create --namespace NAME --retention 30d), or correct TEMPORAL_NAMESPACE or temporal.namespace."
		return f
	case errors.As(err, &denied):
		return fault.New(fault.TemporalUnreachable, fmt.Sprintf("Temporal at %s refused this caller", o.Address), err)
	case errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.TemporalUnreachable, fmt.Sprintf("Temporal at %s did not answer within %s", o.Address, o.ConnectTimeout.Round(time.Millisecond)), err)
	default:
		return fault.New(fault.TemporalUnreachable, fmt.Sprintf("no connection to Temporal at %s", o.Address), err)
	}
}
