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
	err := c.folder.walk(ctx, func(e entry) error {
		mode := e.info.Mode()
		switch {
		case mode.IsDir():
			return c.directory(e)
		case mode.IsRegular():
			return c.regular(ctx, e)
		case mode&fs.ModeSymlink != 0:
			return c.symlink(e)
		}
		c.findings.add(SpecialFile, e.path, "is a %s, which has no content to keep: not opened, not captured", specialName(mode))
		return nil
	})
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
	id := strings.TrimPrefix(stored, "ca/")
	return c.sink.Record(backup.Item{Kind: kind, ID: id, Name: id}, encoded)
}

func (c *capture) directory(e entry) error {
	c.own(e)
	stored, _ := storedPath(e.path)
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
		case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EIO):
			return c.folder.fault(e.path, err)
		case c.absoluteInside(target):
			// os.Root follows no absolute link, but this one leads to a file that is
			// captured where it lies.
		default:
			c.findings.add(SymlinkOutside, e.path, "the link is captured; what it leads to lies outside of the folder and is not")
		}
	}
	stored, _ := storedPath(e.path)
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

// regular hands out one file.
func (c *capture) regular(ctx context.Context, e entry) (err error) {
	file, err := c.folder.open(e)
	if err != nil {
		return err
	}
	defer closeInto(&err, file)
	source := c.folder.stream(ctx, e, file)
	if e.info.Size() > maxParsedBytes {
		head, err := c.folder.head(e)
		if err != nil {
			return err
		}
		kind := kindFile
		switch {
		case looksLikeCRL(e.path, head):
			kind = kindCRL
		case databaseName(e.path) || e.path == c.layout.database:
			kind = kindDatabase
		}
		if err := c.emit(e, content{kind: kind}, source); err != nil {
			return err
		}
		return c.folder.unchanged(e, file)
	}
	data := make([]byte, e.info.Size())
	defer clear(data) // it may be a key
	if _, err := io.ReadFull(source, data); err != nil {
		return c.folder.fault(e.path, err)
	}
	if err := c.folder.unchanged(e, file); err != nil {
		return err
	}
	return c.emit(e, inspect(e.path, data), bytes.NewReader(data))
}

// emit makes the item and lets the sink read it.
func (c *capture) emit(e entry, content content, r io.Reader) error {
	stored, renamed := storedPath(e.path)
	if renamed {
		c.findings.add(FileRenamed, stored, "its name is not printable UTF-8, so it is captured under this one")
	}
	if c.isState(e.path) {
		content.kind = kindDatabase
	}
	item := c.item(e, strings.TrimPrefix(stored, "ca/"), content)
	if content.kind == kindFile {
		if c.layout.inIssued(e.path) {
			c.findings.add(IssuedUnreadable, e.path, "lies among the issued certificates and is none: captured as it is")
		} else {
			c.findings.add(FileNotRecognised, strings.TrimPrefix(stored, "ca/"), "captured as it is (%d bytes); nothing knows what it is", e.info.Size())
		}
	}
	if content.kind != kindFile || c.layout.inIssued(e.path) {
		if c.marks[c.hash(e.path)].stamp != stampOf(e.info) {
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

func (c *capture) isState(name string) bool {
	for _, file := range c.state {
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
func (c *capture) item(e entry, id string, content content) backup.Item {
	item := backup.Item{Kind: content.kind, ID: id, Name: id, Aliases: c.authority.aliases(content.certificates)}
	for _, cert := range content.certificates {
		if cert.parsed == nil {
			c.findings.add(IssuedUnreadable, e.path, "cannot be parsed as a certificate: captured as it is, not checked")
		}
		first := c.addCertificate(e.path, cert)
		if content.kind != kindCertificate {
			continue
		}
		item.Name = subjectName(cert)
		if first {
			item.ID = hex.EncodeToString(cert.digest[:])
		} else {
			item.Kind = kindCopy
		}
	}
	return item
}

func subjectName(cert certificate) string {
	if name := cert.parsed.Subject.String(); name != "" {
		return shorten(name, maxNameBytes)
	}
	return "serial number " + shorten(strings.ToUpper(cert.parsed.SerialNumber.Text(16)), maxNameBytes)
}
