package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"golang.org/x/net/netutil"

	"infrabackup/internal/fault"
)

// Where Prometheus finds metrics when the environment does not say it: the defaults of the
// OpenTelemetry specification ("Prometheus Exporter").
const (
	scrapedHost = "localhost"
	scrapedPort = "9464"
)

// Bounds of what those who scrape may ask for.
const (
	maxScrapeConnections = 16
	maxScrapes           = 4 // at once
	scrapeTime           = 10 * time.Second
	maxScrapeHeader      = 8 << 10
)

// scrapedAt is the address at which metrics can be scraped, or CONFIG_INVALID.
func scrapedAt(get func(string) string) (string, error) {
	host, port := get("OTEL_EXPORTER_PROMETHEUS_HOST"), get("OTEL_EXPORTER_PROMETHEUS_PORT")
	if host == "" {
		host = scrapedHost
	}
	if port == "" {
		port = scrapedPort
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fault.Newf(fault.ConfigInvalid, "OTEL_EXPORTER_PROMETHEUS_PORT is %q, which is no port", port)
	}
	return net.JoinHostPort(host, port), nil
}

// scraped opens an address at which Prometheus reads metrics, at /metrics. End closes it.
// CONFIG_INVALID when the address cannot be opened.
func scraped(ctx context.Context, address string, logger *slog.Logger) (reader sdkmetric.Reader, end func(context.Context) error, err error) {
	registry := prometheus.NewRegistry()
	// The instance is on every series, so that those of several workers can be told apart.
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo(),
		otelprometheus.WithResourceAsConstantLabels(attribute.NewAllowKeysFilter(instanceKey)))
	if err != nil {
		return nil, nil, fault.New(fault.ConfigInvalid, "the Prometheus exporter was refused", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, nil, fault.New(fault.ConfigInvalid, "metrics cannot be offered to Prometheus at "+address, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn), MaxRequestsInFlight: maxScrapes, Timeout: scrapeTime,
	}))
	server := &http.Server{Handler: mux, ReadTimeout: scrapeTime, WriteTimeout: 2 * scrapeTime, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: maxScrapeHeader,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(netutil.LimitListener(listener, maxScrapeConnections)) }()
	logger.Info("metrics are offered to Prometheus", "address", listener.Addr().String())
	return exporter, func(ctx context.Context) error {
		err := server.Shutdown(ctx)
		if err != nil {
			err = errors.Join(err, server.Close())
		}
		if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
			err = errors.Join(err, ended)
		}
		return err
	}, nil
}
