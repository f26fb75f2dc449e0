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

// document is what a configuration file holds.
type document interface {
	Validate() error
	// fillDefaults fills in what the file leaves out, beside paths.
	fillDefaults(hostname func() (string, error)) error
	paths() []named
}

// Load reads, decodes and validates the file and makes sure that the files that
// it names are there. Relative paths count from the folder of the file. hostname
// gives the machine's name where the file names no host; os.Hostname when nil.
// Errors are CONFIG_INVALID faults that name file, line and key.
func Load(path string, hostname func() (string, error)) (*Worker, error) {
	w := &Worker{}
	if err := load(path, w, hostname); err != nil {
		return nil, err
	}
	return w, nil
}

// load is [Load] for any kind of file, into d.
func load(path string, d document, hostname func() (string, error)) error {
	data, err := secret.File{MaxBytes: maxFileBytes}.Read(context.Background(), path) // a regular file does not let it wait
	if err != nil {
		return fault.New(fault.ConfigInvalid, "the configuration file cannot be read", err)
	}
	if data, err = secret.Text(data); err != nil {
		return fault.New(fault.ConfigInvalid, path+" cannot be used", err)
	}
	base, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return fault.New(fault.ConfigInvalid, "the folder of configuration file "+path+" is unknown", err)
	}
	lines, err := decode(data, d, base, hostname)
	if err == nil {
		err = checkFiles(d, lines)
	}
	if err != nil {
		return refused(path, err)
	}
	return nil
}

// Decode is [Load] for bytes that are already there, without looking at the files
// that they name. Name stands for the file in errors and base is the folder that
// relative paths count from.
func Decode(name string, data []byte, base string, hostname func() (string, error)) (*Worker, error) {
	if len(data) > maxFileBytes {
		return nil, refused(name, fmt.Errorf("larger than %d bytes", maxFileBytes))
	}
	w := &Worker{}
	if _, err := decode(data, w, base, hostname); err != nil {
		return nil, refused(name, err)
	}
	return w, nil
}

func refused(name string, err error) error { return refusedAs(fault.ConfigInvalid, name, err) }

func refusedAs(code fault.Code, name string, err error) error {
	var m *mistake
	if errors.As(err, &m) {
		if m.line > 0 {
			name = fmt.Sprintf("%s:%d", name, m.line)
		}
		text := m.text
		if m.key != "" {
			text = m.key + ": " + text
		}
		return fault.Newf(code, "%s: %s", name, text)
	}
	return fault.New(code, "the file "+name+" was refused", err)
}

func decode(data []byte, d document, base string, hostname func() (string, error)) (map[string]int, error) {
	lines, err := decodeStrict(data, d)
	if err != nil {
		return nil, err
	}
	if hostname == nil {
		hostname = os.Hostname
	}
	for _, p := range d.paths() {
		if *p.path != "" && !filepath.IsAbs(*p.path) {
			*p.path = filepath.Join(base, *p.path)
		}
	}
	if err := d.fillDefaults(hostname); err != nil {
		return nil, err
	}
	if err := d.Validate(); err != nil {
		var m *mistake
		if errors.As(err, &m) {
			m.line = lineOf(lines, m.key)
		}
		return nil, err
	}
	return lines, nil
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

func (w *Worker) fillDefaults(hostname func() (string, error)) error {
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
	w.Log.fillDefaults()
	return nil
}

func (l *Log) fillDefaults() {
	if l.Level == "" {
		l.Level = DefaultLogLevel
	}
	if l.Format == "" {
		l.Format = DefaultLogFormat
	}
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
		{key: "codec.keyFile", path: &w.Codec.KeyFile, file: true, secret: true},
		{key: "spool.dir", path: &w.Spool.Dir}, // created when missing
		{key: "drillSigners", path: &w.DrillSigners, file: true},
	}
	all = append(all, w.Temporal.paths()...)
	all = append(all, w.Sources.paths()...)
	for i := range w.Targets {
		all = append(all, named{key: "targets", path: &w.Targets[i], file: true})
	}
	return all
}

func (s *Sources) paths() []named {
	var all []named
	if ad := s.AD; ad != nil {
		all = append(all,
			named{key: "sources.ad.caFile", path: &ad.CAFile, file: true},
			named{key: "sources.ad.passwordFile", path: &ad.PasswordFile, file: true, secret: true})
	}
	if ca := s.CA; ca != nil {
		// Not looked at here: a CA whose disk is away for a while must not keep the
		// worker from serving the other sources.
		all = append(all, named{key: "sources.ca.dir", path: &ca.Dir})
	}
	if azure := s.Azure; azure != nil {
		all = append(all,
			named{key: "sources.azure.caFile", path: &azure.CAFile, file: true},
			named{key: "sources.azure.clientSecretFile", path: &azure.ClientSecretFile, file: true, secret: true},
			named{key: "sources.azure.clientCertFile", path: &azure.ClientCertFile, file: true, secret: true})
	}
	return all
}

func (t *Temporal) paths() []named {
	return []named{
		{key: "temporal.apiKeyFile", path: &t.APIKeyFile, file: true, secret: true},
		{key: "temporal.tls.certFile", path: &t.TLS.CertFile, file: true},
		{key: "temporal.tls.keyFile", path: &t.TLS.KeyFile, file: true, secret: true},
		{key: "temporal.tls.caFile", path: &t.TLS.CAFile, file: true},
	}
}

func checkFiles(d document, lines map[string]int) error {
	for _, p := range d.paths() {
		if *p.path == "" || !p.file {
			continue
		}
		if err := (secret.File{MaxBytes: math.MaxInt64, Private: p.secret}).Examine(*p.path); err != nil {
			return &mistake{line: lineOf(lines, p.key), key: p.key, text: err.Error()}
		}
	}
	return nil
}
