package smb

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/hirochachacha/go-smb2"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

const (
	maxTreeDepth   = 64        // folders below each other
	maxTreeEntries = 1_000_000 // in a whole walk
)

// Tree is a share that others wrote and that is only read, such as SYSVOL of a
// domain controller. In contrast to [Store], names are as the server has them,
// with blanks and braces. It uses one connection, for small files one after the
// other.
type Tree struct{ store *Store }

// OpenTree connects and logs in once. Ctx bounds the opening only. Errors are
// those of [Open].
func OpenTree(ctx context.Context, config Config) (*Tree, error) {
	s, err := open(ctx, config, 1) // an open file stays on its connection
	if err != nil {
		return nil, err
	}
	return &Tree{s}, nil
}

// Close ends the connection.
func (t *Tree) Close() error { return t.store.Close() }

// Walk calls fn for everything in and below the folder root, each folder before
// what is in it, sorted by name. Reparse points (links, mount points) are
// reported and not followed. Fn's errors end the walk and are returned as they
// are. A folder that cannot be listed is an error; more than a million entries
// are LIMIT_EXCEEDED.
func (t *Tree) Walk(ctx context.Context, root string, fn func(path string, info fs.FileInfo) error) error {
	if err := checkTreePath(root); err != nil {
		return err
	}
	seen := 0
	return t.walk(ctx, root, 0, &seen, fn)
}

func (t *Tree) walk(ctx context.Context, folder string, depth int, seen *int, fn func(string, fs.FileInfo) error) error {
	if depth > maxTreeDepth {
		return fault.Newf(fault.LimitExceeded, "%s lies below more than %d folders", t.store.name(folder), maxTreeDepth)
	}
	entries, err := t.list(ctx, folder)
	if err != nil {
		return err
	}
	if *seen += len(entries); *seen > maxTreeEntries {
		return fault.Newf(fault.LimitExceeded, "%s has more than %d entries", t.store, maxTreeEntries)
	}
	for _, info := range entries {
		path := join(folder, info.Name())
		if err := fn(path, info); err != nil {
			return err
		}
		if info.IsDir() && info.Mode()&os.ModeSymlink == 0 {
			if err := t.walk(ctx, path, depth+1, seen, fn); err != nil {
				return err
			}
		}
	}
	return nil
}

// list reads a folder page by page, so that its size is bounded whatever the
// server says.
func (t *Tree) list(ctx context.Context, path string) (entries []os.FileInfo, err error) {
	what := "cannot list " + t.store.name(path)
	err = t.store.withControl(ctx, what, func(tree *smb2.Share) (err error) {
		folder, err := tree.Open(t.store.at(path))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, folder.Close()) }()
		for {
			found, err := folder.Readdir(page)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			for _, info := range found {
				// Paths are made of these: a server must not choose where they lead.
				if checkTreePath(info.Name()) != nil || strings.Contains(info.Name(), "/") {
					return fault.Newf(fault.ShareProtocol, "%s: the server names an entry %q", what, info.Name())
				}
				entries = append(entries, info)
			}
			if len(entries) > share.MaxEntries {
				return fault.Newf(fault.LimitExceeded, "%s has more than %d entries", t.store.name(path), share.MaxEntries)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b os.FileInfo) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// Open opens a file for reading from its beginning. Ctx bounds every later read.
// When the connection is lost, so is the file: SHARE_UNREACHABLE.
func (t *Tree) Open(ctx context.Context, path string) (fs.File, error) {
	if err := checkTreePath(path); err != nil {
		return nil, err
	}
	f := &treeFile{tree: t, ctx: ctx, what: "cannot read " + t.store.name(path)}
	err := t.store.withControl(ctx, f.what, func(tree *smb2.Share) (err error) {
		f.share = tree
		f.file, err = tree.Open(t.store.at(path))
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// treeFile is a file on the control connection.
type treeFile struct {
	tree   *Tree
	ctx    context.Context // bounds every read, as fs.File has no other place for it
	what   string
	share  *smb2.Share // of the connection on which file is open
	file   *smb2.File
	offset int64
}

func (f *treeFile) do(call func(*connection) error) error {
	return f.tree.store.withConnection(f.ctx, f.what, func(c *connection) error {
		if c.share != f.share {
			return fault.Newf(fault.ShareUnreachable, "%s: the connection was lost", f.what)
		}
		return c.do(f.what, func(*smb2.Share) error { return call(c) })
	})
}

// Stat implements [fs.File]. It asks the server.
func (f *treeFile) Stat() (info fs.FileInfo, err error) {
	err = f.do(func(*connection) (err error) {
		info, err = f.file.Stat()
		return err
	})
	if err != nil {
		return nil, err
	}
	return info, nil
}

// Read implements [fs.File]. Only an empty answer is the end of the file, because
// the library takes every short one for it.
func (f *treeFile) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	end := false
	err = f.do(func(c *connection) error {
		var err error
		n, err = f.file.ReadAt(p[:min(len(p), c.guard.Payload())], f.offset)
		n = max(n, 0) // -1 after an error
		if errors.Is(err, io.EOF) || err == nil && n == 0 {
			end, err = n == 0, nil
		}
		return err
	})
	f.offset += int64(n)
	if err == nil && end {
		return 0, io.EOF
	}
	return n, err
}

// Close implements [fs.File]. Nothing is lost when the server does not answer.
func (f *treeFile) Close() error {
	err := f.do(func(*connection) error { return f.file.Close() })
	if errors.Is(err, fault.ShareUnreachable) {
		return nil
	}
	return err
}

func checkTreePath(path string) error {
	if !fs.ValidPath(path) || path == "." || strings.ContainsAny(path, "\\\x00") {
		return fault.Newf(fault.ShareInvalid, "%q is no path on a share", path)
	}
	return nil
}
