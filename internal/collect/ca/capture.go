package ca

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/collect/ca/pki"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
)

// Kinds of items that no file's content tells. Those of files are in package pki.
const (
	kindCopy      = "certificate-copy" // a certificate that another file has, too
	kindDirectory = "directory"
	kindSymlink   = "symlink"
	kindRenamed   = "renamed" // the name of something whose path in the part is shortened
	kindADCS      = "adcs-object"
)

// maxNameBytes bounds the name of an item; subjects can be long.
const maxNameBytes = 512

// capture is the second pass: it hands every file to the sink.
type capture struct {
	*survey
	sink collect.Sink
}

// directoryDocument and linkDocument are the records of folders and links.
type directoryDocument struct {
	Path string `json:"path"`
	Mode string `json:"mode"` // octal permission bits
}

type linkDocument struct {
	Path        string `json:"path"`
	Target      string `json:"target"`
	TargetBytes []byte `json:"targetBytes,omitempty"` // base64, when the target is not UTF-8
}

// files hands out everything in the folder, then looks at what only all files
// together tell.
func (c *capture) files(ctx context.Context) error {
	err := c.folder.walk(ctx, visitor{denied: c.deniedLater, visit: func(e entry) error {
		mode := e.info.Mode()
		switch {
		case mode.IsDir():
			return c.directory(e)
		case mode.IsRegular():
			if c.leftOut[c.hash(e.path)] {
				return nil
			}
			return c.regular(ctx, e)
		case mode&fs.ModeSymlink != 0:
			return c.symlink(e)
		}
		c.findings.add(SpecialFile, e.path, "is a %s, which has no content to keep: not opened, not captured", specialName(mode))
		return nil
	}})
	if err != nil {
		return err
	}
	c.reconcile()
	return nil
}

func specialName(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return "FIFO"
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeDevice != 0:
		return "device"
	}
	return "special file"
}

func (c *capture) record(kind, name string, document any) error {
	encoded, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("encode record of %s: %w", name, err)
	}
	stored, _ := storedPath(name)
	id := itemID(stored)
	return c.sink.Record(backup.Item{Kind: kind, ID: id, Name: id}, encoded)
}

// renamedDocument is the record of a name that cannot be told from its stored form.
type renamedDocument struct {
	Path      string `json:"path"`      // where it stands in the part
	NameBytes []byte `json:"nameBytes"` // its path in the CA's folder, base64
}

// renamed records the name of something whose stored path is shortened.
func (c *capture) renamed(name string) error {
	if stored, _ := storedPath(name); isShortened(stored) {
		return c.record(kindRenamed, name, renamedDocument{Path: stored, NameBytes: []byte(name)})
	}
	return nil
}

func (c *capture) directory(e entry) error {
	c.own(e)
	stored, _ := storedPath(e.path)
	if err := c.renamed(e.path); err != nil {
		return err
	}
	return c.record(kindDirectory, e.path, directoryDocument{Path: stored, Mode: fmt.Sprintf("%04o", e.info.Mode().Perm())})
}

// symlink records the link itself, and notes when its target is not captured.
func (c *capture) symlink(e entry) error {
	c.own(e)
	target, err := c.folder.root.Readlink(e.path)
	if err != nil {
		return c.folder.fault(e.path, err)
	}
	if _, err := c.folder.root.Stat(e.path); err != nil {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			c.findings.add(SymlinkOutside, e.path, "the link is captured, but it leads to nothing")
		case errors.Is(err, fs.ErrPermission):
			c.findings.add(NotReadable, e.path, "the link is captured; the worker's account may not look at what it leads to")
		case errors.Is(err, syscall.EIO):
			return c.folder.fault(e.path, err)
		case c.absoluteInside(target):
			// os.Root follows no absolute link, but this one leads to a file that is
			// captured where it lies.
		default:
			c.findings.add(SymlinkOutside, e.path, "the link is captured; what it leads to lies outside of the folder and is not")
		}
	}
	stored, _ := storedPath(e.path)
	if err := c.renamed(e.path); err != nil {
		return err
	}
	document := linkDocument{Path: stored, Target: target}
	if !utf8.ValidString(target) {
		document.TargetBytes = []byte(target)
	}
	return c.record(kindSymlink, e.path, document)
}

func (c *capture) absoluteInside(target string) bool {
	if !filepath.IsAbs(target) {
		return false
	}
	name, inside := below(target, c.folder.dir)
	if !inside {
		return false
	}
	_, err := c.folder.root.Stat(name)
	return err == nil
}

// own notes that an entry is the CA's: it may not change until the end.
func (c *capture) own(e entry) {
	key := c.hash(e.path)
	m := c.marks[key]
	m.own = true
	c.marks[key] = m
}

// maxReads is how often a file that is not the CA's is read until it holds still.
const maxReads = 3

// regular hands out one file.
func (c *capture) regular(ctx context.Context, e entry) error {
	if e.info.Size() > pki.MaxParsedBytes {
		return c.large(ctx, e)
	}
	var data []byte
	defer func() { clear(data) }() // it may be a key
	for reads := 1; ; reads++ {
		clear(data)
		var whole bool
		var err error
		if data, whole, err = c.readSmall(ctx, e); err == nil {
			return c.emit(e, pki.Inspect(e.path, data), bytes.NewReader(data))
		}
		if fault.CodeOf(err) != fault.SourceChanging || c.layout.inIssued(e.path) || c.isState(e.path) {
			return c.deniedLater(e.path, err)
		}
		if reads == maxReads {
			// A log that is written to all the time is captured as it was at one moment.
			if content := pki.Inspect(e.path, data); whole && content.Kind == pki.KindFile {
				c.findings.add(FileChanging, e.path, "was written to while it was read: captured as far as it was then")
				return c.emit(e, content, bytes.NewReader(data))
			}
			return err
		}
		again, there, lookupErr := c.folder.lookup(e.path)
		if lookupErr != nil || !there || again.info.Size() > pki.MaxParsedBytes {
			return errors.Join(err, lookupErr)
		}
		e = again
	}
}

// readSmall reads a file that fits into memory. Whole says that as many bytes as the
// file had at first were read, even if it changed.
func (c *capture) readSmall(ctx context.Context, e entry) (data []byte, whole bool, err error) {
	file, err := c.folder.open(e)
	if err != nil {
		return nil, false, err
	}
	defer closeInto(&err, file)
	data = make([]byte, e.info.Size())
	if _, err := io.ReadFull(c.folder.stream(ctx, e, file), data); err != nil {
		return data, false, c.folder.fault(e.path, err)
	}
	return data, true, c.folder.unchanged(e, file)
}

// large hands out a file that does not fit into memory.
func (c *capture) large(ctx context.Context, e entry) (err error) {
	file, err := c.folder.open(e)
	for reads := 1; reads < maxReads && fault.CodeOf(err) == fault.SourceChanging && c.layout.need(e.path) == needless; reads++ {
		again, there, lookupErr := c.folder.lookup(e.path)
		if lookupErr != nil || !there {
			return errors.Join(err, lookupErr)
		}
		e = again
		file, err = c.folder.open(e)
	}
	if err != nil {
		return c.deniedLater(e.path, err)
	}
	defer closeInto(&err, file)
	head, err := c.folder.head(e)
	if err != nil {
		return err
	}
	kind := pki.KindFile
	switch {
	case pki.LooksLikeCRL(e.path, head):
		kind = pki.KindCRL
	case pki.IsDatabaseName(e.path) || e.path == c.layout.database:
		kind = pki.KindDatabase
	}
	if err := c.emit(e, pki.Content{Kind: kind}, c.folder.stream(ctx, e, file)); err != nil {
		return err
	}
	err = c.folder.unchanged(e, file)
	if fault.CodeOf(err) == fault.SourceChanging && kind == pki.KindFile && !c.layout.inIssued(e.path) {
		c.findings.add(FileChanging, e.path, "was written to while it was read: captured as far as it was when the reading began")
		return nil
	}
	return err
}

// emit makes the item and lets the sink read it.
func (c *capture) emit(e entry, content pki.Content, r io.Reader) error {
	stored, renamed := storedPath(e.path)
	if renamed {
		c.findings.add(FileRenamed, stored, "its name is not printable UTF-8 or too long, so it is captured under this one")
		if err := c.renamed(e.path); err != nil {
			return err
		}
	}
	if c.isState(e.path) {
		content.Kind = pki.KindDatabase
	}
	item := c.item(e, itemID(stored), content)
	if content.Kind == pki.KindFile {
		if c.layout.inIssued(e.path) {
			c.findings.add(IssuedUnreadable, e.path, "lies among the issued certificates and is none: captured as it is")
		} else {
			c.findings.add(FileNotRecognised, itemID(stored), "captured as it is (%d bytes); nothing knows what it is", e.info.Size())
		}
	}
	if content.Kind != pki.KindFile || c.layout.inIssued(e.path) {
		if c.marks[c.hash(e.path)].statHash != statHashOf(e.info) {
			return c.folder.changed(e.path)
		}
		c.own(e)
	}
	var digest hash.Hash
	source, _ := r.(*stream)
	if c.isState(e.path) {
		digest = sha256.New()
		r = io.TeeReader(r, digest)
	}
	info := collect.FileInfo{
		Path: stored, Size: e.info.Size(), Mode: e.info.Mode().Perm(), ModTime: e.info.ModTime().UTC().Truncate(time.Second),
	}
	err := c.sink.File(item, info, r)
	if source != nil && source.err != nil {
		return source.err // the cause of whatever the sink says
	}
	if err != nil {
		return err
	}
	return c.sameState(e.path, digest)
}

func (s *survey) isState(name string) bool {
	for _, file := range s.state {
		if file.path == name {
			return true
		}
	}
	return false
}

// sameState compares what the sink was given with what the first pass read.
func (c *capture) sameState(name string, digest hash.Hash) error {
	for _, file := range c.state {
		if file.path == name && !bytes.Equal(digest.Sum(nil), file.digest[:]) {
			return c.folder.changed(name)
		}
	}
	return nil
}

// item names a file, and checks the certificates in it.
func (c *capture) item(e entry, id string, content pki.Content) backup.Item {
	item := backup.Item{Kind: content.Kind, ID: id, Name: id, Aliases: c.authority.aliases(content.Certificates)}
	for _, cert := range content.Certificates {
		if cert.Parsed == nil {
			c.findings.add(IssuedUnreadable, e.path, "cannot be parsed as a certificate: captured as it is, not checked")
		}
		first := c.addCertificate(e.path, cert)
		if content.Kind != pki.KindCertificate {
			continue
		}
		item.Name = subjectName(cert)
		if first {
			item.ID = hex.EncodeToString(cert.Digest[:])
		} else {
			item.Kind = kindCopy
		}
	}
	return item
}

func subjectName(cert pki.Certificate) string {
	if name := cert.Parsed.Subject.String(); name != "" {
		return printable.Line(name, maxNameBytes)
	}
	return "serial number " + printable.Line(strings.ToUpper(cert.Parsed.SerialNumber.Text(16)), maxNameBytes)
}
