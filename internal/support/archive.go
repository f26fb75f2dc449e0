package support

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
)

const (
	// MaxBytes bounds one file of the archive. What is longer is cut, and the archive says so.
	MaxBytes = 8 << 20
	// patience is how long one file may take to be read.
	patience = time.Minute
)

// Member is one file of the archive.
type Member struct {
	// Name is the file's path in the archive.
	Name string
	// Read returns the content. It may return less than everything together with an error:
	// what there is goes into the archive then, and the error stands in its report.
	Read func(ctx context.Context) ([]byte, error)
}

// Document makes a member of what a function returns, as indented JSON.
func Document[T any](name string, read func(ctx context.Context) (T, error)) Member {
	return Member{Name: name, Read: func(ctx context.Context) ([]byte, error) {
		value, err := read(ctx)
		if err != nil {
			return nil, err
		}
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(value); err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
		return printable.JSON(text.Bytes()), nil
	}}
}

// Written is a file that the archive has.
type Written struct {
	Name  string `json:"name"`
	Bytes int    `json:"bytes"`
}

// Missing is a file that the archive does not have, or not whole, and why.
type Missing struct {
	Name    string     `json:"name"`
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
	Remedy  string     `json:"remedy"`
}

// Report says what is in an archive, and what is not. The archive has it, too, as its last
// file, report.json.
type Report struct {
	Files   []Written `json:"files"`
	Missing []Missing `json:"missing"` // empty when all was read
}

// reportName is the name of the report in the archive.
const reportName = "report.json"

// Write reads the members one after the other and writes them into a compressed tar archive,
// below a folder of its own. It fails when the archive cannot be written, and when ctx is
// cancelled. When ctx has a deadline that passes, what was read before is packed.
func Write(ctx context.Context, w io.Writer, folder string, at time.Time, members []Member) (Report, error) {
	report := Report{Files: []Written{}, Missing: []Missing{}}
	zipped := gzip.NewWriter(w)
	out := tar.NewWriter(zipped)
	add := func(name string, data []byte) error {
		header := &tar.Header{Name: folder + "/" + name, Mode: 0o600, Size: int64(len(data)), ModTime: at, Format: tar.FormatPAX}
		if err := out.WriteHeader(header); err != nil {
			return unwritten(err)
		}
		_, err := out.Write(data)
		return unwritten(err)
	}
	for _, m := range members {
		data, err := read(ctx, m)
		if errors.Is(ctx.Err(), context.Canceled) {
			return report, ctx.Err()
		}
		if err != nil {
			f := fault.As(err)
			report.Missing = append(report.Missing, Missing{Name: m.Name, Code: f.Code, Message: f.Message(), Remedy: f.Remedy()})
		}
		if data == nil {
			continue
		}
		report.Files = append(report.Files, Written{Name: m.Name, Bytes: len(data)})
		if err := add(m.Name, data); err != nil {
			return report, err
		}
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return report, unwritten(err)
	}
	return report, errors.Join(add(reportName, Redact(append(text, '\n'))), unwritten(out.Close()), unwritten(zipped.Close()))
}

// read reads a member in the time that it may take. What is too long is cut.
func read(ctx context.Context, m Member) ([]byte, error) {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	data, err := m.Read(bounded)
	switch {
	case err == nil || bounded.Err() == nil:
	case ctx.Err() != nil:
		err = fault.Newf(fault.Cancelled, "%s could not be read in the time that was given", m.Name)
	default:
		err = fault.Newf(fault.Cancelled, "%s could not be read within %s", m.Name, patience)
	}
	if len(data) > MaxBytes {
		data = data[:MaxBytes]
		err = errors.Join(err, fault.Newf(fault.Usage, "%s is cut off after %d MiB", m.Name, MaxBytes>>20))
	}
	return Redact(data), err
}

func unwritten(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Internal, "the archive cannot be written", err)
}
