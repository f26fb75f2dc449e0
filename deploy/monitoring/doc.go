// Package monitoring holds what a site's monitoring takes: rules for Prometheus and a dashboard
// for Grafana. It has no code but the tests, which hold both to the metrics that the processes
// really offer. Start reading at rules.yaml.
package monitoring
