package sysvol

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

// memory is a share in memory; nil content is a folder.
type memory struct {
	entries map[string][]byte
	fail    error
	closed  int
}

func (m *memory) Look(_ context.Context, name string, most int64) ([]byte, bool, bool, error) {
	content, there := m.entries[name]
	if int64(len(content)) > most {
		return nil, false, true, fault.New(fault.LimitExceeded, "too large", nil)
	}
	return content, there && content == nil, there, m.fail
}

func (m *memory) MakeFolder(_ context.Context, name string) error {
	for ; name != "."; name = path.Dir(name) {
		m.entries[name] = nil
	}
	return m.fail
}

func (m *memory) WriteFile(_ context.Context, name string, data []byte) error {
	m.entries[name] = append([]byte{}, data...)
	return m.fail
}

func (m *memory) Remove(_ context.Context, name string) error {
	for other := range m.entries {
		if strings.HasPrefix(other, name+"/") {
			return fault.New(fault.ShareIO, "not empty", nil)
		}
	}
	delete(m.entries, name)
	return m.fail
}

func (m *memory) Close() error { m.closed++; return nil }

const policy = "corp.example/Policies/{31B2F340-016D-11D2-945F-00C04FB984F9}"

func item(kind, id, content string) restore.Item {
	return restore.Item{CatalogEntry: backup.CatalogEntry{Service: backup.AD, Item: backup.Item{Kind: kind, ID: id, Name: id}, SHA256: restore.Digest([]byte(content)), Length: int64(len(content))},
		Read: func(context.Context) ([]byte, error) { return []byte(content), nil }}
}

func files(m *memory) *Files {
	return New(func(context.Context) (Share, error) { return m, nil })
}

func wanted(t *testing.T, f *Files, i restore.Item, m *mapping.Map) restore.Want {
	t.Helper()
	want, lost, err := f.Wants(i, m)
	require.NoError(t, err)
	require.Empty(t, lost)
	return want
}

func live(t *testing.T, f *Files, want restore.Want) restore.State {
	t.Helper()
	s, err := f.Live(t.Context(), want, "CORP.example", nil)
	require.NoError(t, err)
	require.Equal(t, s.Exists, s.Digest != restore.AbsentDigest)
	return s
}

// TestFiles: folders and files are made, changed and taken back; a version comes behind the rest.
func TestFiles(t *testing.T) {
	m := &memory{entries: map[string][]byte{}}
	f := files(m)
	gpt := wanted(t, f, item(KindFile, policy+"/GPT.INI", "Version=2"), mapping.Empty())
	other := wanted(t, f, item(KindFile, policy+"/Machine/Registry.pol", "PReg"), mapping.Empty())
	folder := wanted(t, f, item(KindFolder, policy+"/User", ""), mapping.Empty())
	require.Greater(t, gpt.Stage, other.Stage)
	require.Equal(t, "sysvol:"+strings.ToLower(policy)+"/machine", other.Needs[0].Target)
	for _, content := range [][]byte{nil, []byte("Version=1")} {
		m.entries = map[string][]byte{}
		if content != nil {
			m.entries[policy+"/GPT.INI"], m.entries[policy+"/Machine/Registry.pol"] = content, content
		}
		for _, want := range []restore.Want{gpt, other, folder} {
			before := live(t, f, want)
			v := f.Verdict(want, before)
			require.Nil(t, v.Refused)
			require.False(t, v.Same)
			require.True(t, v.Unchecked, "a plan does not hold contents")
			require.NoError(t, f.Write(t.Context(), want, before))
			after := live(t, f, want)
			require.True(t, f.Verdict(want, after).Same)
			inverse, reversible := f.Inverse(want, before)
			require.Equal(t, restore.Reversible, reversible.Grade)
			require.False(t, f.Verdict(inverse, after).Same)
			require.NoError(t, f.Write(t.Context(), inverse, after))
			back := live(t, f, inverse)
			require.True(t, f.Verdict(inverse, back).Same)
			require.Equal(t, before.Digest, back.Digest)
		}
	}
	f.Close()
	require.Equal(t, 1, m.closed)
}

func TestRefused(t *testing.T) {
	m := &memory{entries: map[string][]byte{policy + "/GPT.INI": nil, policy + "/User": []byte("x")}}
	f := files(m)
	for want, code := range map[string]string{KindFile + " " + policy + "/GPT.INI": "NAME_TAKEN", KindFolder + " " + policy + "/User": "NAME_TAKEN", KindFile + " other.example/x": "OTHER_DOMAIN"} {
		kind, id, _ := strings.Cut(want, " ")
		w := wanted(t, f, item(kind, id, "a"), mapping.Empty())
		require.Equal(t, code, f.Verdict(w, live(t, f, w)).Refused.Code, want)
	}
	large := item(KindFile, policy+"/setup.msi", "x")
	large.Length = MaxFile + 1
	_, lost, err := f.Wants(large, mapping.Empty())
	require.NoError(t, err)
	require.Contains(t, lost, "8 MiB")

	w := wanted(t, f, item(KindFile, policy+"/x", "a"), mapping.Empty())
	changed := item(KindFile, policy+"/x", "a")
	changed.Read = func(context.Context) ([]byte, error) { return []byte("b"), nil }
	f.items.Store(policy+"/x", changed)
	require.Equal(t, fault.BackupDamaged, fault.CodeOf(f.Write(t.Context(), w, restore.State{})))
	for cause, code := range map[fault.Code]fault.Code{fault.ShareAccessDenied: fault.TargetAccessDenied, fault.ShareUnreachable: fault.TargetUnreachable, fault.ShareIO: fault.TargetFailed} {
		m.fail = fault.New(cause, "no", errors.New("why"))
		_, err := f.Live(t.Context(), w, "corp.example", nil)
		require.Equal(t, code, fault.CodeOf(err))
	}
}

// TestInAnotherDomain: paths have the target's name, and what is sent shows what a file holds.
func TestInAnotherDomain(t *testing.T) {
	m, err := mapping.For(&mapping.Site{Format: mapping.Format, Source: mapping.Cloud{FQDN: "local.azs.test"}, Target: mapping.Cloud{FQDN: "south.cloud.example"},
		Domains: []mapping.Domain{{Source: mapping.DomainNames{DNS: "azs.test"}, Target: mapping.DomainNames{DNS: "corp.example"}}}})
	require.NoError(t, err)
	f := files(&memory{entries: map[string][]byte{}})
	w := wanted(t, f, item(KindFile, "azs.test/Policies/x.ini", "see azs.test"), m)
	require.Equal(t, "corp.example/Policies/x.ini", w.ID)
	require.Equal(t, "sysvol:azs.test/policies", w.Needs[0].Target, "needs are in the names of the backup")
	sent, err := f.Sent(t.Context(), w)
	require.NoError(t, err)
	require.Contains(t, string(sent), "see azs.test")
}

// TestSIDsOfAnotherDomain: a content that names accounts by SIDs that are others is refused, unless
// it is there.
func TestSIDsOfAnotherDomain(t *testing.T) {
	wide := []byte("\xff\xfe")
	for _, c := range "SeTcb = *S-1-5-21-1-2-3-1104" {
		wide = append(wide, byte(c), 0)
	}
	for _, content := range []string{"*s-1-5-21-1-2-3-512", string(wide)} {
		m := &memory{entries: map[string][]byte{}}
		f := files(m)
		w := wanted(t, f, item(KindFile, policy+"/GptTmpl.inf", content), mapping.Empty())
		state := func(foreign ...string) restore.Verdict {
			s, err := f.Live(t.Context(), w, "corp.example", foreign)
			require.NoError(t, err)
			return f.Verdict(w, s)
		}
		require.Nil(t, state("s-1-5-21-7-8-9").Refused)
		require.Equal(t, "SID_UNKNOWN", state("s-1-5-21-1-2-3").Refused.Code)
		m.entries[policy+"/GptTmpl.inf"] = []byte("other")
		require.Equal(t, "SID_UNKNOWN", state("s-1-5-21-1-2-3").Refused.Code)
		m.entries[policy+"/GptTmpl.inf"] = []byte(content)
		require.True(t, state("s-1-5-21-1-2-3").Same)
	}
}

// TestStrangePaths: a path that leads elsewhere than it says is never wanted and never written.
func TestStrangePaths(t *testing.T) {
	m := &memory{entries: map[string][]byte{}}
	f := files(m)
	for _, id := range []string{
		policy + "/GPT.INI:hidden", policy + "::$INDEX_ALLOCATION/x", "corp.example/Policies/../../x", "corp.example/./x", policy + "/gpt.ini.", policy + "/GPT.INI ", policy + `/..\..\x`, policy + "//x", "/corp.example/x", "corp.example", "",
		policy + "/con", policy + "/NUL.txt", policy + "/aux .txt", policy + "/COM1", policy + "/lpt9.x", policy + "/com\u00b9", policy + "/a*b", policy + "/a\x01b", "corp.example/DfsrPrivate/x",
	} {
		_, lost, err := f.Wants(item(KindFile, id, "a"), mapping.Empty())
		require.NoError(t, err)
		require.NotEmpty(t, lost, id)
		b, err := json.Marshal(body{Path: id, Undo: true})
		require.NoError(t, err)
		_, err = f.Live(t.Context(), restore.Want{Body: b}, "corp.example", nil)
		require.Equal(t, fault.TargetRefused, fault.CodeOf(err), id)
		require.Equal(t, fault.TargetRefused, fault.CodeOf(f.Write(t.Context(), restore.Want{Body: b}, restore.State{})), id)
	}
	require.Empty(t, m.entries)
	for _, id := range []string{policy + "/GPT.INI", policy + "/User/Documents & Settings/fdeploy.ini", "corp.example/scripts/console.cmd", "corp.example/scripts/.hidden", policy + "/common.adm", policy + "/com10"} {
		_, lost, err := f.Wants(item(KindFile, id, "a"), mapping.Empty())
		require.NoError(t, err)
		require.Empty(t, lost, id)
	}
}

// FuzzDocuments: whatever a journal holds, verdicts do not fail.
func FuzzDocuments(f *testing.F) {
	f.Add([]byte(`{"path":"a/b","sha256":"x"}`), []byte(`{"folder":true}`))
	f.Fuzz(func(t *testing.T, b, d []byte) {
		share := files(&memory{entries: map[string][]byte{}})
		want := restore.Want{Body: bytes.Clone(b)}
		share.Verdict(want, restore.State{Exists: true, Document: d})
		share.Inverse(want, restore.State{Exists: true, Document: d})
	})
}
