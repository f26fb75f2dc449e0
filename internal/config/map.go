package config

import (
	"context"
	"errors"
	"fmt"

	"infrabackup/internal/fault"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/secret"
)

// maxMapBytes bounds the file of a map, which has a line for every subscription.
const maxMapBytes = 1 << 20

// LoadMap reads the file that says what names of one cloud are in another one. It is decoded as
// strictly as every configuration. Errors are MAP_INVALID faults that name file, line and key.
func LoadMap(path string) (*mapping.Site, error) {
	data, err := secret.File{MaxBytes: maxMapBytes}.Read(context.Background(), path) // a regular file does not let it wait
	if err != nil {
		return nil, fault.New(fault.MapInvalid, "the map cannot be read", err)
	}
	if data, err = secret.Text(data); err != nil {
		return nil, fault.New(fault.MapInvalid, path+" cannot be used", err)
	}
	return DecodeMap(path, data)
}

// DecodeMap is [LoadMap] for bytes that are already there. Name stands for the file in errors.
func DecodeMap(name string, data []byte) (*mapping.Site, error) {
	if len(data) > maxMapBytes {
		return nil, refusedAs(fault.MapInvalid, name, fmt.Errorf("larger than %d bytes", maxMapBytes))
	}
	s := &mapping.Site{}
	if err := decodeMap(data, s); err != nil {
		return nil, refusedAs(fault.MapInvalid, name, err)
	}
	return s, nil
}

func decodeMap(data []byte, s *mapping.Site) error {
	lines, err := decodeStrict(data, s)
	if err != nil {
		return err
	}
	for _, key := range []string{"format", "source", "target", "regions", "tenants", "subscriptions"} {
		if lines[key] == 0 {
			return wrong(key, "missing: every map has it, be it empty as {}")
		}
	}
	var m *mapping.Mistake
	if err := s.Validate(); errors.As(err, &m) {
		return &mistake{line: lineOf(lines, m.Key), key: m.Key, text: m.Text}
	} else if err != nil {
		return err
	}
	return nil
}
