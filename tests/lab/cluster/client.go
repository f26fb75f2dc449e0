package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
)

// Identity is who talks to the cluster: a certificate, and a token. Either may be empty.
type Identity struct {
	Certificate, Key string // files
	Token            string // file
}

// Identities that TEMPORAL.md makes.
const (
	Worker   = "worker"
	Operator = "operator"
	Reader   = "reader"
)

// Identity is one of those that TEMPORAL.md makes.
func (c *Cluster) Identity(name string) Identity {
	in := func(suffix string) string { return filepath.Join(c.home(), name+suffix) }
	return Identity{Certificate: in(".pem"), Key: in(".key"), Token: in(".token")}
}

// Certificate makes another certificate of the clients' authority. It has ended already when
// days are negative.
func (c *Cluster) Certificate(ctx context.Context, name string, days int) (certificate, key string, err error) {
	_, err = c.script(ctx, "certificates.sh", "client", name, fmt.Sprint(days))
	return filepath.Join(c.home(), name+".pem"), filepath.Join(c.home(), name+".key"), err
}

// Token makes another token, and returns its file. It has ended already when seconds are
// negative.
func (c *Cluster) Token(ctx context.Context, name, permission string, seconds int) (string, error) {
	text, err := c.script(ctx, "token.sh", name, permission, fmt.Sprint(seconds))
	if err != nil {
		return "", err
	}
	file := filepath.Join(c.home(), name+".token")
	return file, os.WriteFile(file, []byte(text+"\n"), 0o600)
}

// Address is host and port of the frontend.
func (c *Cluster) Address() string {
	return fmt.Sprintf("%s:%d", c.options.Address, c.ports["7233"])
}

// CA is the file with the authority of the frontend's certificate.
func (c *Cluster) CA() string { return filepath.Join(c.home(), "cluster-ca.pem") }

// Env are Temporal's standard variables for someone who talks to the cluster.
func (c *Cluster) Env(id Identity) (map[string]string, error) {
	env := map[string]string{
		"TEMPORAL_ADDRESS": c.Address(), "TEMPORAL_NAMESPACE": Namespace, "TEMPORAL_TLS": "true",
		"TEMPORAL_TLS_SERVER_NAME": serverName, "TEMPORAL_TLS_SERVER_CA_CERT_PATH": c.CA(),
	}
	if id.Certificate != "" {
		maps.Copy(env, map[string]string{"TEMPORAL_TLS_CLIENT_CERT_PATH": id.Certificate, "TEMPORAL_TLS_CLIENT_KEY_PATH": id.Key})
	}
	if id.Token != "" {
		token, err := os.ReadFile(id.Token)
		if err != nil {
			return nil, err
		}
		env["TEMPORAL_API_KEY"] = strings.TrimSpace(string(token))
	}
	return env, nil
}

// Section is the section "temporal" of a worker's configuration.
func (c *Cluster) Section(id Identity) string {
	return fmt.Sprintf("temporal: {address: %s, namespace: %s, apiKeyFile: %s, tls: {certFile: %s, keyFile: %s, caFile: %s, serverName: %s}}\n",
		c.Address(), Namespace, id.Token, id.Certificate, id.Key, c.CA(), serverName)
}

// Dial connects without the product: what is refused is refused by the cluster. Close the client.
func (c *Cluster) Dial(ctx context.Context, id Identity) (client.Client, error) {
	config := &tls.Config{ServerName: serverName, RootCAs: x509.NewCertPool()}
	authority, err := os.ReadFile(c.CA())
	if err != nil {
		return nil, err
	}
	if !config.RootCAs.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("%s holds no certificate", c.CA())
	}
	if id.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(id.Certificate, id.Key)
		if err != nil {
			return nil, err
		}
		// Also one that the server would not take: what it does with that is to be seen.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	options := client.Options{
		HostPort: c.Address(), Namespace: Namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{TLS: config, GetSystemInfoTimeout: 20 * time.Second},
	}
	if id.Token != "" {
		token, err := os.ReadFile(id.Token)
		if err != nil {
			return nil, err
		}
		options.Credentials = client.NewAPIKeyStaticCredentials(strings.TrimSpace(string(token)))
	}
	return client.DialContext(ctx, options)
}

// healthy asks the frontend whether it serves, which needs no token.
func (c *Cluster) healthy(ctx context.Context) error {
	id := c.Identity(Operator)
	id.Token = ""
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	sdk, err := c.Dial(ctx, id)
	if err != nil {
		return err
	}
	defer sdk.Close()
	_, err = sdk.CheckHealth(ctx, &client.CheckHealthRequest{})
	return err
}

// usable lists runs of the namespace, for which the frontend has to know it.
func (c *Cluster) usable(ctx context.Context) (err error) {
	sdk, err := c.Dial(ctx, c.Identity(Operator))
	if err != nil {
		return err
	}
	defer sdk.Close()
	_, err = sdk.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: Namespace, PageSize: 1})
	_, second := sdk.DescribeTaskQueue(ctx, "none", 1)
	return errors.Join(err, second)
}
