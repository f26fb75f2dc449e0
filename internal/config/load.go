package config

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

const maxFileBytes = 256 << 10 // of the YAML file

// Load reads, decodes and validates the file and makes sure that the files that
// it names are there. Relative paths count from the folder of the file. hostname
// gives the machine's name where the file names no host; os.Hostname when nil.
// Errors are CONFIG_INVALID faults that name file, line and key.
func Load(path string, hostname func() (string, error)) (*Worker, error) {
	data, err := secret.File{MaxBytes: maxFileBytes}.Read(context.Background(), path) // a regular file does not let it wait
	if err != nil {
		return nil, fault.New(fault.ConfigInvalid, "the configuration file cannot be read", err)
	}
	if data, err = secret.Text(data); err != nil {
		return nil, fault.New(fault.ConfigInvalid, path+" cannot be used", err)
	}
	base, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fault.New(fault.ConfigInvalid, "the folder of configuration file "+path+" is unknown", err)
	}
	w, lines, err := decode(data, base, hostname)
	if err == nil {
		err = w.checkFiles(lines)
	}
	if err != nil {
		return nil, refused(path, err)
	}
	return w, nil
}

// Decode is [Load] for bytes that are already there, without looking at the files
// that they name. Name stands for the file in errors and base is the folder that
// relative paths count from.
func Decode(name string, data []byte, base string, hostname func() (string, error)) (*Worker, error) {
	if len(data) > maxFileBytes {
		return nil, refused(name, fmt.Errorf("larger than %d bytes", maxFileBytes))
	}
	w, _, err := decode(data, base, hostname)
	if err != nil {
		return nil, refused(name, err)
	}
	return w, nil
}

func refused(name string, err error) error {
	var m *mistake
	if errors.As(err, &m) {
		if m.line > 0 {
			name = fmt.Sprintf("%s:%d", name, m.line)
		}
		text := m.text
		if m.key != "" {
			text = m.key + ": " + text
		}
		return fault.Newf(fault.ConfigInvalid, "%s: %s", name, text)
	}
	return fault.New(fault.ConfigInvalid, "configuration file "+name+" was refused", err)
}

func decode(data []byte, base string, hostname func() (string, error)) (*Worker, map[string]int, error) {
	w := &Worker{}
	lines, err := decodeStrict(data, w)
	if err != nil {
		return nil, nil, err
	}
	if hostname == nil {
		hostname = os.Hostname
	}
	if err := w.fillDefaults(base, hostname); err != nil {
		return nil, nil, err
	}
	if err := w.Validate(); err != nil {
		var m *mistake
		if errors.As(err, &m) {
			m.line = lineOf(lines, m.key)
		}
		return nil, nil, err
	}
	return w, lines, nil
}

// lineOf finds the line of a key, or of the nearest one above it that is there.
func lineOf(lines map[string]int, key string) int {
	for {
		if line, ok := lines[key]; ok {
			return line
		}
		cut := strings.LastIndexByte(key, '.')
		if cut < 0 {
			return 0
		}
		key = key[:cut]
	}
}

func (w *Worker) fillDefaults(base string, hostname func() (string, error)) error {
	for _, p := range w.paths() {
		if *p.path != "" && !filepath.IsAbs(*p.path) {
			*p.path = filepath.Join(base, *p.path)
		}
	}
	if w.Host == "" {
		name, err := hostname()
		if err != nil {
			return fmt.Errorf("find out this machine's name for the key host: %w", err)
		}
		w.Host = strings.ToLower(name)
	}
	if w.Limits.StopTimeout == 0 {
		w.Limits.StopTimeout = DefaultStopTimeout
	}
	if w.Log.Level == "" {
		w.Log.Level = DefaultLogLevel
	}
	if w.Log.Format == "" {
		w.Log.Format = DefaultLogFormat
	}
	return nil
}

// named is a key whose value is a path.
type named struct {
	key    string
	path   *string
	secret bool // only the owner may read it
	file   bool // must exist as a file
}

func (w *Worker) paths() []named {
	all := []named{
		{key: "temporal.apiKeyFile", path: &w.Temporal.APIKeyFile, file: true, secret: true},
		{key: "temporal.tls.certFile", path: &w.Temporal.TLS.CertFile, file: true},
		{key: "temporal.tls.keyFile", path: &w.Temporal.TLS.KeyFile, file: true, secret: true},
		{key: "temporal.tls.caFile", path: &w.Temporal.TLS.CAFile, file: true},
		{key: "codec.keyFile", path: &w.Codec.KeyFile, file: true, secret: true},
		{key: "spool.dir", path: &w.Spool.Dir}, // created when missing
	}
	if ad := w.Sources.AD; ad != nil {
		all = append(all,
			named{key: "sources.ad.caFile", path: &ad.CAFile, file: true},
			named{key: "sources.ad.passwordFile", path: &ad.PasswordFile, file: true, secret: true})
	}
	if ca := w.Sources.CA; ca != nil {
		// Not looked at here: a CA whose disk is away for a while must not keep the
		// worker from serving the other sources.
		all = append(all, named{key: "sources.ca.dir", path: &ca.Dir})
	}
	if azure := w.Sources.Azure; azure != nil {
		all = append(all,
			named{key: "sources.azure.caFile", path: &azure.CAFile, file: true},
			named{key: "sources.azure.clientSecretFile", path: &azure.ClientSecretFile, file: true, secret: true},
			named{key: "sources.azure.clientCertFile", path: &azure.ClientCertFile, file: true, secret: true})
	}
	return all
}

func (w *Worker) checkFiles(lines map[string]int) error {
	for _, p := range w.paths() {
		if *p.path == "" || !p.file {
			continue
		}
		if err := (secret.File{MaxBytes: math.MaxInt64, Private: p.secret}).Examine(*p.path); err != nil {
			return &mistake{line: lineOf(lines, p.key), key: p.key, text: err.Error()}
		}
	}
	return nil
}
