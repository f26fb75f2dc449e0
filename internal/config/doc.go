// Package config is the worker's configuration: one YAML file, decoded strictly,
// with every mistake named by file, line and key.
//
// Secrets stand in files of their own, which the configuration names and which
// nobody but their owner may read, see package secretfile; no secret is ever a value in
// the YAML file.
// What an operator configures for the instance (share, credential, recipients) is
// not here but in package settings. The commented example is
// deploy/worker.example.yaml. Start reading at [Worker], then [Load].
package config
