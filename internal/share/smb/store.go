package smb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/hirochachacha/go-smb2"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

const page = 1000 // entries of a folder asked for at once

var errClosed = fmt.Errorf("the share was closed: %w", fs.ErrClosed)

// Store is a folder on an SMB 3 share.
type Store struct {
	dialer *dialer
	config Config
	root   string // the folder within the share, with backslashes, or ""

	control *pool // connections for names, folders and small files

	life  context.Context // ends with Close
	close context.CancelCauseFunc

	known known

	mu      sync.Mutex
	calls   sync.WaitGroup
	closed  bool
	session Session
}

var _ share.Store = (*Store)(nil)

// Open connects, logs in once and looks at the UNC path's folder, which must
// exist (SHARE_PATH_NOT_FOUND). Ctx bounds the opening only.
func Open(ctx context.Context, config Config) (*Store, error) {
	return open(ctx, config, maxControls)
}

// open is Open with a number of control connections.
func open(ctx context.Context, config Config, controls int) (*Store, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	s := &Store{dialer: newDialer(config), config: config, root: config.UNC.Path, control: newPool(controls)}
	s.life, s.close = context.WithCancelCause(context.Background())
	if err := s.checkRoot(ctx); err != nil {
		_ = s.Close() // never fails
		return nil, err
	}
	return s, nil
}

func (s *Store) checkRoot(ctx context.Context) error {
	var info os.FileInfo
	err := s.withControl(ctx, "cannot open "+s.String(), func(remote *smb2.Share) (err error) {
		info, err = remote.Stat(s.root) // follows a mount point, which an operator may have chosen
		return err
	})
	if err == nil && !info.IsDir() {
		err = fault.New(fault.SharePathNotFound, s.String()+" is a file, not a folder", fs.ErrNotExist)
	}
	return err
}

// String is the UNC path.
func (s *Store) String() string { return s.config.UNC.String() }

// Session tells what was agreed with the server on the newest control connection.
func (s *Store) Session() Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.session
}

// Close implements [share.Store]. Calls in progress end with an error.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.close(errClosed)
	s.calls.Wait()
	s.control.close()
	return nil
}

// enter begins a call: the returned context also ends when the Store is closed,
// and leave must be called at the end.
func (s *Store) enter(ctx context.Context, what string) (context.Context, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, fault.New(fault.ShareIO, what, errClosed)
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", what, err)
	}
	s.calls.Add(1)
	merged, cancel := s.merge(ctx)
	return merged, func() { cancel(); s.calls.Done() }, nil
}

// merge ties ctx to the Store's life; its cause tells which of the two has ended.
func (s *Store) merge(ctx context.Context) (context.Context, func()) {
	merged, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.life, func() { cancel(errClosed) })
	return merged, func() { stop(); cancel(nil) }
}

// withControl runs a call of the library on a control connection, again while somebody
// else holds what it opens.
func (s *Store) withControl(ctx context.Context, what string, call func(*smb2.Share) error) error {
	return s.persist(ctx, what, false, func() (header, error) {
		return header{}, s.withConnection(ctx, what, func(c *connection) error { return c.do(what, call) })
	})
}

// withConnection gives use a control connection for itself, and connects first where
// needed. Use may not wait for anything but that connection.
func (s *Store) withConnection(ctx context.Context, what string, use func(*connection) error) error {
	ctx, leave, err := s.enter(ctx, what)
	if err != nil {
		return err
	}
	defer leave()
	c, err := s.control.take(ctx)
	if err != nil {
		return s.ended(ctx, what)
	}
	defer func() { s.control.give(c) }()
	if c == nil {
		if c, err = s.dialer.dial(ctx); err != nil {
			if ctx.Err() != nil {
				return s.ended(ctx, what)
			}
			return err
		}
		s.mu.Lock()
		s.session = c.describe()
		s.mu.Unlock()
	}
	release := c.bind(ctx)
	if err = c.gather(ctx, what); err == nil {
		err = use(c)
	}
	if !release() { // so that the end of ctx does not close it under its next user
		c.fail(endOf(ctx))
	}
	if err != nil && ctx.Err() != nil {
		return s.ended(ctx, what)
	}
	return err
}

// ended reports the end of a call's context: by its caller, or by Close.
func (s *Store) ended(ctx context.Context, what string) error {
	if errors.Is(context.Cause(ctx), errClosed) {
		return fault.New(fault.ShareIO, what, errClosed)
	}
	return fmt.Errorf("%s: %w", what, ctx.Err())
}

// at is the path on the share, for the library.
func (s *Store) at(path string) string {
	path = strings.ReplaceAll(path, "/", `\`)
	switch {
	case s.root == "":
		return path
	case path == "":
		return s.root
	}
	return s.root + `\` + path
}

// name is the path for messages.
func (s *Store) name(path string) string {
	if path == "" {
		return s.String()
	}
	return s.String() + `\` + strings.ReplaceAll(path, "/", `\`)
}

// MkdirAll implements [share.Store].
func (s *Store) MkdirAll(ctx context.Context, path string) error {
	if err := share.CheckFolder(path); err != nil {
		return err
	}
	err := s.mkdirAll(ctx, path)
	if errors.Is(err, fs.ErrNotExist) { // a level that was known is there no more
		s.known.drop("")
		err = s.mkdirAll(ctx, path)
	}
	return err
}

func (s *Store) mkdirAll(ctx context.Context, path string) error {
	what := "cannot create the folder " + s.name(path)
	made := false // the level above, by this call, so that it was empty a moment ago
	for i := range len(path) + 1 {
		if i == 0 || i < len(path) && path[i] != '/' || s.known.has(path[:i]) {
			continue
		}
		var info share.Info
		err := fs.ErrNotExist
		if !made { // looking first: a server may deny making what is there already
			info, err = s.stat(ctx, what, path[:i])
		}
		made = false
		if errors.Is(err, fs.ErrNotExist) {
			err = s.withControl(ctx, what, func(remote *smb2.Share) error { return remote.Mkdir(s.at(path[:i]), 0o755) })
			if errors.Is(err, fs.ErrExist) { // somebody else was faster
				info, err = s.stat(ctx, what, path[:i])
			} else {
				info.IsDir, made = true, true
			}
		}
		if err != nil {
			return err
		}
		if !info.IsDir {
			return fault.New(fault.ShareExists, what+": a file is there", fs.ErrExist)
		}
		s.known.add(path[:i])
	}
	return nil
}

// Stat implements [share.Store].
func (s *Store) Stat(ctx context.Context, path string) (share.Info, error) {
	if err := share.CheckFolder(path); err != nil {
		return share.Info{}, err
	}
	return s.stat(ctx, "cannot look at "+s.name(path), path)
}

func (s *Store) stat(ctx context.Context, what, path string) (share.Info, error) {
	var info os.FileInfo
	err := s.withControl(ctx, what, func(remote *smb2.Share) (err error) {
		if path == "" {
			info, err = remote.Stat(s.root)
			return err
		}
		info, err = remote.Lstat(s.at(path))
		return err
	})
	if err != nil {
		s.known.drop(path)
		return share.Info{}, err
	}
	if path != "" {
		if err := s.refuseLink(ctx, what, path, info); err != nil {
			s.known.drop(path)
			return share.Info{}, err
		}
	}
	if info.IsDir() {
		s.known.add(path)
	}
	return describe(info, pathBase(path)), nil
}

// refuseLink refuses a reparse point that leads elsewhere: any on a folder, and
// symbolic links among files. Other reparse points on files are how servers store
// them (deduplication, tiering) and read like any file.
func (s *Store) refuseLink(ctx context.Context, what, path string, info os.FileInfo) error {
	if info.Mode()&os.ModeSymlink == 0 {
		return nil
	}
	if !info.IsDir() {
		var notLink *smb2.InvalidResponseError
		err := s.withControl(ctx, what, func(remote *smb2.Share) error {
			_, err := remote.Readlink(s.at(path))
			if errors.As(err, &notLink) || statusOf(err) != 0 && !isConnectionBroken(err) {
				return errNoLink
			}
			return err
		})
		if errors.Is(err, errNoLink) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return fault.Newf(fault.ShareUnsupported, "%s: it is a link to another place (a reparse point)", what)
}

func pathBase(path string) string {
	if path == "" {
		return "."
	}
	return path[strings.LastIndexByte(path, '/')+1:]
}

func describe(info os.FileInfo, name string) share.Info {
	out := share.Info{Name: name, Modified: info.ModTime(), IsDir: info.IsDir()}
	if !out.IsDir {
		out.Size = info.Size()
	}
	return out
}

// List implements [share.Store].
func (s *Store) List(ctx context.Context, path string) ([]share.Info, error) {
	list, _, err := s.Scan(ctx, path)
	return list, err
}

// Strangers implements [share.Store].
func (s *Store) Strangers(ctx context.Context, path string) ([]string, error) {
	_, strangers, err := s.Scan(ctx, path)
	return strangers, err
}

var _ share.Scanner = (*Store)(nil)

// Scan implements [share.Scanner].
func (s *Store) Scan(ctx context.Context, path string) ([]share.Info, []string, error) {
	found, err := s.scan(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(found.list, func(a, b share.Info) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(found.strangers)
	return found.list, found.strangers[:min(len(found.strangers), share.MaxStrangers)], nil
}

// scan reads a folder and tells links that lead elsewhere from files that only look
// like links. No link is left in what it returns.
func (s *Store) scan(ctx context.Context, path string) (contents, error) {
	if err := share.CheckFolder(path); err != nil {
		return contents{}, err
	}
	what := "cannot list " + s.name(path)
	if !s.known.has(path) {
		info, err := s.stat(ctx, what, path)
		if err != nil {
			return contents{}, err
		}
		if !info.IsDir {
			return contents{}, fault.New(fault.SharePathNotFound, what+": it is a file", fs.ErrNotExist)
		}
	}
	var found contents
	err := s.persist(ctx, what, false, func() (header, error) {
		return header{}, s.withConnection(ctx, what, func(c *connection) (err error) {
			found, err = s.readFolder(c, what, path)
			return err
		})
	})
	if err != nil {
		s.known.drop(path)
		return contents{}, err
	}
	for _, link := range found.links {
		switch err := s.refuseLink(ctx, what, join(path, link.Name()), link); {
		case err == nil:
			found.list = append(found.list, describe(link, link.Name()))
		case errors.Is(err, fault.ShareUnsupported):
			found.strangers = append(found.strangers, link.Name())
		default:
			return contents{}, err
		}
	}
	found.links = nil
	return found, nil
}

// Space implements [share.Store].
func (s *Store) Space(ctx context.Context) (share.Space, error) {
	var info smb2.FileFsInfo
	err := s.withControl(ctx, "cannot ask for the free space on "+s.String(), func(remote *smb2.Share) (err error) {
		info, err = remote.Statfs(s.root)
		return err
	})
	if err != nil {
		return share.Space{}, err
	}
	// In the library BlockSize is a sector, FragmentSize the sectors of a unit.
	unit := product(info.BlockSize(), info.FragmentSize())
	return share.Space{Free: product(info.AvailableBlockCount(), uint64(unit)), Total: product(info.TotalBlockCount(), uint64(unit))}, nil
}
