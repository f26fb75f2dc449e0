package archive

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/upstream"
)

// Limits of a catalog.
const (
	maxCatalogLine  = 256 << 10
	maxCatalogItems = 1 << 30
)

// catalogType marks the first line of a catalog.
const catalogType = "infrabackup-catalog"

type catalogHead struct {
	Type   string `json:"type"`
	Format int    `json:"format"`
}

// catalogLine is any line but the first. The last one holds End alone. JSON strings
// are Unicode, file names are bytes: what is not valid UTF-8 is kept in the fields
// ending in Bytes.
type catalogLine struct {
	*backup.CatalogEntry
	IDBytes   []byte      `json:"idBytes,omitempty"`
	NameBytes []byte      `json:"nameBytes,omitempty"`
	PathBytes []byte      `json:"pathBytes,omitempty"`
	End       *catalogEnd `json:"end,omitempty"`
}

type catalogEnd struct {
	Items int64 `json:"items"`
}

// CatalogWriter writes a catalog: zstd of JSON lines, the first naming the
// format, the last the number of items, so that a cut catalog is noticed. It is
// used from one goroutine and holds one line at a time.
type CatalogWriter struct {
	enc   *zstd.Encoder
	line  bytes.Buffer
	json  *json.Encoder
	items int64
	err   error
	begun bool
}

// NewCatalogWriter starts a catalog on w. Failures are reported by Add and Close.
func NewCatalogWriter(w io.Writer) *CatalogWriter {
	c := &CatalogWriter{}
	c.enc, c.err = zstd.NewWriter(w, encoderOptions()...)
	c.json = json.NewEncoder(&c.line)
	c.json.SetEscapeHTML(false)
	return c
}

// Add writes one item. LIMIT_EXCEEDED when its line would be longer than 256 KiB.
func (c *CatalogWriter) Add(entry backup.CatalogEntry) error {
	if err := checkCatalogEntry(entry); err != nil {
		return fault.New(fault.Internal, "cannot write to the catalog", err)
	}
	if err := c.begin(); err != nil {
		return err
	}
	line := catalogLine{CatalogEntry: &entry}
	line.IDBytes, entry.ID = splitBytes(entry.ID)
	line.NameBytes, entry.Name = splitBytes(entry.Name)
	line.PathBytes, entry.Path = splitBytes(entry.Path)
	if err := c.write(line); err != nil {
		return err
	}
	c.items++
	return nil
}

// Close writes the last line and ends the zstd stream. It does not close the writer
// below.
func (c *CatalogWriter) Close() error {
	if err := c.begin(); err != nil {
		return err
	}
	if err := c.write(catalogLine{End: &catalogEnd{Items: c.items}}); err != nil {
		return err
	}
	err := c.enc.Close()
	c.err = errors.New("archive: the catalog is closed")
	return err
}

func (c *CatalogWriter) begin() error {
	if c.err != nil || c.begun {
		return c.err
	}
	c.begun = true
	return c.write(catalogHead{Type: catalogType, Format: backup.FormatVersion})
}

func (c *CatalogWriter) write(line any) error {
	c.line.Reset()
	if err := c.json.Encode(line); err != nil {
		return fault.New(fault.Internal, "encode a line of the catalog", err)
	}
	if c.line.Len() > maxCatalogLine {
		return fault.Newf(fault.LimitExceeded, "a line of the catalog has %d bytes, at most %d are possible", c.line.Len(), maxCatalogLine)
	}
	_, c.err = c.enc.Write(c.line.Bytes())
	return c.err
}

// splitBytes returns s as bytes when JSON cannot hold it.
func splitBytes(s string) ([]byte, string) {
	if utf8.ValidString(s) {
		return nil, s
	}
	return []byte(s), ""
}

func joinBytes(b []byte, s *string) {
	if len(b) > 0 {
		*s = string(b)
	}
}

// ReadCatalog reads a catalog that others may have written and calls fn for each
// item. R is the plain zstd stream. BACKUP_DAMAGED when a line is malformed or too
// long, when the end is missing or says another number, or when something follows
// it; FORMAT_UNKNOWN for another format. Errors of fn and of r are returned as they
// are. Fn has seen items by the time that damage further on is found.
func ReadCatalog(r io.Reader, fn func(backup.CatalogEntry) error) error {
	src := upstream.NewReader(r)
	dec, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return readFault(src, "open the catalog's zstd stream", err)
	}
	defer dec.Close()
	in := bufio.NewReaderSize(dec, maxCatalogLine)
	if err := readCatalogHead(in, src); err != nil {
		return err
	}
	for items := int64(0); ; items++ {
		data, err := readLine(in, src)
		if err != nil {
			return err
		}
		var line catalogLine
		if err := decodeStrict(data, &line); err != nil {
			return fault.New(fault.BackupDamaged, fmt.Sprintf("the catalog's line %d is malformed", items+2), err)
		}
		if line.End != nil {
			if line.CatalogEntry != nil || line.End.Items != items {
				return fault.Newf(fault.BackupDamaged, "the catalog has %d items and records %d", items, line.End.Items)
			}
			if _, err := in.ReadByte(); err == nil {
				return fault.New(fault.BackupDamaged, "the catalog goes on behind its end", nil)
			} else if err != io.EOF {
				return readFault(src, "read the end of the catalog", err)
			}
			return nil
		}
		if line.CatalogEntry == nil {
			return fault.Newf(fault.BackupDamaged, "the catalog's line %d names no item", items+2)
		}
		if items == maxCatalogItems {
			return fault.Newf(fault.LimitExceeded, "the catalog has more than %d items", maxCatalogItems)
		}
		entry := *line.CatalogEntry
		joinBytes(line.IDBytes, &entry.ID)
		joinBytes(line.NameBytes, &entry.Name)
		joinBytes(line.PathBytes, &entry.Path)
		if err := checkCatalogEntry(entry); err != nil {
			return fault.New(fault.BackupDamaged, fmt.Sprintf("the catalog's line %d is malformed", items+2), err)
		}
		if err := fn(entry); err != nil {
			return err
		}
	}
}

func readCatalogHead(in *bufio.Reader, src *upstream.Reader) error {
	data, err := readLine(in, src)
	if err != nil {
		return err
	}
	var head catalogHead
	if err := json.Unmarshal(data, &head); err != nil || head.Type != catalogType {
		return fault.New(fault.BackupDamaged, "the catalog does not begin like one", err)
	}
	if head.Format != backup.FormatVersion {
		return fault.Newf(fault.FormatUnknown, "the catalog has format %d, this program reads format %d", head.Format, backup.FormatVersion)
	}
	return nil
}

// readLine returns the next line without its end. It is valid until the next call.
func readLine(in *bufio.Reader, src *upstream.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	switch {
	case err == nil:
		return line[:len(line)-1], nil
	case err == io.EOF:
		return nil, fault.New(fault.BackupDamaged, "the catalog was cut short", nil)
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, fault.Newf(fault.BackupDamaged, "the catalog has a line of more than %d bytes", maxCatalogLine)
	default:
		return nil, readFault(src, "read the catalog", err)
	}
}

func decodeStrict(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON document")
	}
	return nil
}

// isDigest reports whether s is a SHA-256 in lower case hexadecimal.
func isDigest(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == hex.EncodedLen(sha256.Size)
}

func checkCatalogEntry(e backup.CatalogEntry) error {
	if s, err := backup.ParseService(string(e.Service)); err != nil || s != e.Service {
		return fmt.Errorf("unknown service %q", e.Service)
	}
	switch {
	case !isKind(e.Kind):
		return fmt.Errorf("%q is not a kind of item", e.Kind)
	case e.ID == "":
		return errors.New("an item has no id")
	case !isDigest(e.SHA256):
		return fmt.Errorf("item %q has no valid SHA-256", e.ID)
	case e.Offset < 0 || e.Length < 0 || e.Offset > math.MaxInt64-e.Length:
		return fmt.Errorf("item %q has the impossible place %d+%d", e.ID, e.Offset, e.Length)
	}
	if err := e.CheckLinks(); err != nil {
		return fmt.Errorf("item %.200q: %w", e.ID, err)
	}
	return checkPath(e.Path)
}
