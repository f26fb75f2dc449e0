package sysvol

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

// Kinds of items, as package collect/ad captures them; IDs are paths in the share.
const (
	KindFile   = "sysvol-file"
	KindFolder = "sysvol-folder"
)

// MaxFile is the largest file that is brought back: it is held in memory, and what it replaces is
// in the journal.
const MaxFile = 8 << 20

// Share is SYSVOL, with an account that may write. Paths have forward slashes and begin with the
// domain's folder. Errors are faults with SHARE_ codes.
type Share interface {
	// Look says what a path is, with the content of a file.
	Look(ctx context.Context, path string, most int64) (content []byte, folder, there bool, err error)
	// MakeFolder makes a folder, and those that it lies in.
	MakeFolder(ctx context.Context, path string) error
	// WriteFile makes a file hold data, durably.
	WriteFile(ctx context.Context, path string, data []byte) error
	// Remove removes a file or an empty folder.
	Remove(ctx context.Context, path string) error
	// Close ends the connection.
	Close() error
}

// Files brings them back, one at a time.
type Files struct {
	open  func(ctx context.Context) (Share, error)
	items sync.Map // [restore.Item] by ID

	mu    sync.Mutex
	share Share
}

// New makes one of what opens the share, which is called when it is needed.
func New(open func(ctx context.Context) (Share, error)) *Files { return &Files{open: open} }

// Close gives up the connection.
func (f *Files) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hangUp()
}

func (f *Files) hangUp() {
	if f.share != nil {
		_ = f.share.Close() // what was written was read back
		f.share = nil
	}
}

// body is what is wanted of a path, or what an undo puts back.
type body struct {
	Path    string `json:"path"`
	Folder  bool   `json:"folder,omitempty"`
	Source  string `json:"source,omitempty"` // ID of the item
	SHA256  string `json:"sha256,omitempty"`
	Undo    bool   `json:"undo,omitempty"`
	Content []byte `json:"content,omitempty"` // of an undo
}

// document is what the target has.
type document struct {
	Folder  bool   `json:"folder,omitempty"`
	Content []byte `json:"content,omitempty"`
	Foreign string `json:"foreign,omitempty"` // the target's domain, when the path is of another
	SIDs    bool   `json:"sids,omitempty"`    // the wanted content names accounts of another domain
}

func decode[T any](data []byte) (v T, err error) {
	if len(data) > 0 {
		err = json.Unmarshal(data, &v)
	}
	return v, err
}

// Wants is what the share should hold of an item, or why it holds nothing of it. What it lies in
// has to be there first.
func (f *Files) Wants(item restore.Item, m *mapping.Map) (want restore.Want, lost string, err error) {
	if item.Kind == KindFile && item.Length > MaxFile {
		return want, fmt.Sprintf("it has more than %d MiB: copy it from the backup to SYSVOL", MaxFile>>20), nil
	}
	b := body{Path: m.Names().Text(item.ID), Folder: item.Kind == KindFolder, Source: item.ID}
	if !plain(item.ID) || !plain(b.Path) {
		return want, fmt.Sprintf("%q is no path that a file of SYSVOL can have: look at where the backup has it from", b.Path), nil
	}
	fields := []string{"folder"}
	if !b.Folder {
		b.SHA256, fields = item.SHA256, []string{"content"}
	}
	f.items.Store(item.ID, item)
	want = restore.Want{Key: restore.Key{Service: backup.AD, Kind: item.Kind, ID: b.Path}, Name: item.Name, Stage: restore.StageDirectoryRights, Fields: fields}
	if strings.EqualFold(path.Base(item.ID), "GPT.INI") {
		want.Stage = restore.StageDirectoryPolicy // it says which version the others are
	}
	if above := path.Dir(item.ID); strings.Contains(above, "/") {
		want.Needs = []restore.Need{{Service: backup.AD, Target: record.FilesPrefix + strings.ToLower(above), Relation: "parent"}}
	}
	want.Body, err = json.Marshal(b)
	return want, "", err
}

// Live reads what is there. Domain is the DNS name of the target's, and foreign are the SIDs of
// domains of the backup that are others there: what names their accounts would name none.
func (f *Files) Live(ctx context.Context, want restore.Want, domain string, foreign []string) (s restore.State, err error) {
	b, err := decode[body](want.Body)
	if err != nil {
		return s, err
	}
	s.Digest = restore.AbsentDigest
	if !plain(b.Path) {
		return s, fault.New(fault.TargetRefused, fmt.Sprintf("%q is no path that a file of SYSVOL can have", b.Path), nil)
	}
	if first, _, _ := strings.Cut(b.Path, "/"); !strings.EqualFold(first, domain) {
		s.Document, err = json.Marshal(document{Foreign: domain})
		return s, err
	}
	var d document
	if len(foreign) > 0 && !b.Folder && !b.Undo {
		content, err := f.content(ctx, b)
		if err != nil {
			return s, err
		}
		if d.SIDs = mentions(content, foreign); d.SIDs {
			if s.Document, err = json.Marshal(d); err != nil {
				return s, err
			}
		}
	}
	err = f.talk(ctx, func(share Share) error {
		content, folder, there, err := share.Look(ctx, b.Path, MaxFile)
		if err != nil || !there {
			return err
		}
		s.Exists, s.Digest = true, restore.Digest(content)
		if folder {
			s.Digest = restore.Digest([]byte("a folder"))
		}
		d.Folder, d.Content = folder, content
		s.Document, err = json.Marshal(d)
		return err
	})
	return s, err
}

// mentions reports whether a content names an account of one of the domains: as text, also in
// UTF-16LE, as Windows writes security templates (MS-GPSB 2.2).
func mentions(content []byte, domains []string) bool {
	low := bytes.ToLower(bytes.ReplaceAll(content, []byte{0}, nil))
	return slices.ContainsFunc(domains, func(sid string) bool { return bytes.Contains(low, []byte(strings.ToLower(sid)+"-")) })
}

// Verdict compares.
func (f *Files) Verdict(want restore.Want, live restore.State) restore.Verdict {
	refused := func(code, detail string) restore.Verdict {
		return restore.Verdict{Refused: &restore.Refusal{Key: want.Key, Code: code, Detail: detail}}
	}
	b, err := decode[body](want.Body)
	d, docErr := decode[document](live.Document)
	v := restore.Verdict{Action: restore.Create, Reversible: restore.Reversibility{Grade: restore.Reversible}, Unchecked: true}
	switch {
	case errors.Join(err, docErr) != nil:
		return refused("UNREADABLE", "what is wanted, or there, cannot be read")
	case want.Absent:
		v.Action, v.Same = restore.Remove, !live.Exists
	case d.Foreign != "":
		return refused("OTHER_DOMAIN", "it is a file of another domain than the target's, "+d.Foreign)
	case d.SIDs && live.Digest != b.SHA256:
		return refused("SID_UNKNOWN", "it names accounts of the backup's domain by SIDs, which are others in the target: write it by hand")
	case !live.Exists:
	case d.Folder != b.Folder:
		return refused("NAME_TAKEN", "a file or folder of the other kind has its name: rename or remove it")
	case b.Folder:
		v.Same = true
	default:
		v.Action, v.Same = restore.Update, live.Digest == b.SHA256 || b.Undo && bytes.Equal(d.Content, b.Content)
		if !v.Same {
			v.Fields = []string{"content"}
		}
	}
	return v
}

// Write makes the share hold what is wanted.
func (f *Files) Write(ctx context.Context, want restore.Want, live restore.State) error {
	b, err := decode[body](want.Body)
	if err != nil {
		return err
	}
	if !plain(b.Path) {
		return fault.New(fault.TargetRefused, fmt.Sprintf("%q is no path that a file of SYSVOL can have", b.Path), nil)
	}
	content := b.Content
	if !want.Absent && !b.Folder && !b.Undo {
		if content, err = f.content(ctx, b); err != nil {
			return err
		}
	}
	return f.talk(ctx, func(share Share) error {
		switch {
		case want.Absent && live.Exists:
			return share.Remove(ctx, b.Path)
		case want.Absent:
			return nil
		case b.Folder:
			return share.MakeFolder(ctx, b.Path)
		}
		if err := share.MakeFolder(ctx, path.Dir(b.Path)); err != nil {
			return err
		}
		return share.WriteFile(ctx, b.Path, content)
	})
}

// content is a file's in the backup.
func (f *Files) content(ctx context.Context, b body) ([]byte, error) {
	item, ok := f.items.Load(b.Source)
	if !ok {
		return nil, fault.New(fault.Internal, b.Source+" was not looked at in the backup", nil)
	}
	content, err := item.(restore.Item).Read(ctx)
	if err == nil && restore.Digest(content) != b.SHA256 {
		err = fault.New(fault.BackupDamaged, b.Source+" has another content than the catalog says", nil)
	}
	return content, err
}

// Sent is what is looked through for names of the source.
func (f *Files) Sent(ctx context.Context, want restore.Want) ([]byte, error) {
	b, err := decode[body](want.Body)
	if err != nil {
		return nil, err
	}
	content := b.Content
	if !b.Folder && !b.Undo {
		if content, err = f.content(ctx, b); err != nil {
			return nil, err
		}
	}
	return json.Marshal(map[string]any{"path": b.Path, "content": content, "text": string(content)})
}

// Inverse puts back what was there.
func (f *Files) Inverse(want restore.Want, before restore.State) (restore.Want, restore.Reversibility) {
	b, err := decode[body](want.Body)
	was, docErr := decode[document](before.Document)
	undo := body{Path: b.Path, Folder: b.Folder, Undo: true, Content: was.Content}
	inverse := restore.Want{Key: want.Key, Name: want.Name, Stage: want.Stage, Absent: !before.Exists, Fields: want.Fields}
	var bodyErr error
	inverse.Body, bodyErr = json.Marshal(undo)
	if err := errors.Join(err, docErr, bodyErr); err != nil {
		return restore.Want{}, restore.Reversibility{Grade: restore.Irreversible, Why: err.Error()}
	}
	return inverse, restore.Reversibility{Grade: restore.Reversible}
}

// codes are what causes of a share mean for a target. All others may pass.
var codes = map[fault.Code]fault.Code{
	fault.ShareUnreachable: fault.TargetUnreachable, fault.ShareAuthFailed: fault.TargetAuthFailed, fault.ShareAccessDenied: fault.TargetAccessDenied,
	fault.ShareInvalid: fault.TargetRefused, fault.LimitExceeded: fault.TargetRefused,
}

// talk calls fn with the share, and gives up the connection when fn fails.
func (f *Files) talk(ctx context.Context, fn func(Share) error) (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.share == nil {
		if f.share, err = f.open(ctx); err != nil {
			f.share = nil
		}
	}
	if err == nil {
		if err = fn(f.share); err != nil {
			f.hangUp()
		}
	}
	if cause, ok := fault.Of(err); ok && !strings.HasPrefix(string(cause.Code), "TARGET_") {
		code, known := codes[cause.Code]
		if !known {
			code = fault.TargetFailed
		}
		return fault.New(code, cause.What, cause.Err)
	}
	return err
}
