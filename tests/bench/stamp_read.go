package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"golang.org/x/sync/errgroup"

	"infrabackup/internal/backup"
)

// readTask reads what was asked of a stamp, by azcore alone: every answer to its end,
// and nothing is done with it.
type readTask struct {
	Source source
	Wanted map[backup.Service][]request
	AtOnce int // requests for each service
}

func (t readTask) run(ctx context.Context) (one cost, err error) {
	began := time.Now()
	r := &reader{source: t.Source}
	if err := r.open(ctx); err != nil {
		return one, err
	}
	services, ctx := errgroup.WithContext(ctx)
	services.SetLimit(servicesAtOnce)
	for _, service := range stampServices {
		services.Go(func() error {
			requests, ctx := errgroup.WithContext(ctx)
			requests.SetLimit(t.AtOnce)
			for _, one := range t.Wanted[service] {
				requests.Go(func() error { return r.read(ctx, one) })
			}
			return requests.Wait()
		})
	}
	err = services.Wait()
	one.Wall, one.Bytes = time.Since(began), r.bytes.Load()
	return one, err
}

// reader is azcore's pipeline with its own bearer token policy for each host.
type reader struct {
	source source
	client *http.Client
	tenant runtime.Pipeline
	admin  runtime.Pipeline
	vault  runtime.Pipeline
	bytes  atomic.Int64
}

func (r *reader) open(ctx context.Context) error {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(r.source.CA)) {
		return errors.New("the stamp's CA is no certificate")
	}
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, r.source.Resolver)
	}}
	r.client = &http.Client{Transport: &http.Transport{
		DialContext: (&net.Dialer{Resolver: resolver}).DialContext, TLSClientConfig: &tls.Config{RootCAs: roots},
		ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 8,
	}}
	options := policy.ClientOptions{Transport: r.client, Telemetry: policy.TelemetryOptions{Disabled: true}}
	identity := azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true}
	identity.Cloud.ActiveDirectoryAuthorityHost = r.source.Authority
	credential, err := azidentity.NewClientSecretCredential("adfs", r.source.ClientID, r.source.ClientSecret, &identity)
	if err != nil {
		return err
	}
	tenant, err := r.audience(ctx, r.source.TenantURL)
	if err != nil {
		return err
	}
	admin, err := r.audience(ctx, r.source.AdminURL)
	if err != nil {
		return err
	}
	pipeline := func(audience string) runtime.Pipeline {
		bearer := runtime.NewBearerTokenPolicy(credential, []string{audience + "/.default"}, nil)
		return runtime.NewPipeline("bench", "v1", runtime.PipelineOptions{PerRetry: []policy.Policy{bearer}}, &options)
	}
	r.tenant, r.admin = pipeline(tenant), pipeline(admin)
	r.vault = pipeline(strings.Replace(tenant, "://management.", "://vault.", 1))
	return nil
}

// audience is for whom a resource manager's tokens are.
func (r *reader) audience(ctx context.Context, base string) (audience string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/metadata/endpoints?api-version=2015-01-01", nil)
	if err != nil {
		return "", err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	var said struct {
		Authentication struct{ Audiences []string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil {
		return "", err
	}
	if len(said.Authentication.Audiences) == 0 {
		return "", fmt.Errorf("%s names no audience", base)
	}
	return said.Authentication.Audiences[0], nil
}

// read sends one request and throws the answer away. Some ask for what the stamp does
// not have or does not give; it refuses these again.
func (r *reader) read(ctx context.Context, one request) (err error) {
	req, err := runtime.NewRequest(ctx, one.Method, one.URL)
	if err != nil {
		return err
	}
	runtime.SkipBodyDownload(req)
	req.Raw().Header.Set("Accept", "application/json")
	resp, err := r.pipelineOf(req.Raw().URL).Do(req)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	n, err := io.Copy(io.Discard, resp.Body)
	r.bytes.Add(n)
	if err == nil && (resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError) {
		err = fmt.Errorf("%s %s: %w", one.Method, one.URL, runtime.NewResponseError(resp))
	}
	return err
}

func (r *reader) pipelineOf(u *url.URL) runtime.Pipeline {
	switch "https://" + u.Host {
	case r.source.TenantURL:
		return r.tenant
	case r.source.AdminURL:
		return r.admin
	default:
		return r.vault
	}
}
