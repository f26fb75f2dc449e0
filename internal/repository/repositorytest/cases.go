package repositorytest

import (
	"context"
	"os"
	"strings"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/repository"
)

// Labours are what a controller may be at with a backup while it is verified, step by
// step.
var Labours = map[string]func(k *Fixture, b *Backup) []func(){
	"publish": func(k *Fixture, b *Backup) []func() {
		k.Remove(b, backup.LedgerDeleted)
		again := k.Put()
		b.ID, b.Folder = again.ID, again.Folder
		return []func(){func() { k.Publish(again) }, func() { k.Enter(k.Entry(backup.LedgerCreated, again)) }}
	},
	"delete": func(k *Fixture, b *Backup) []func() {
		return []func(){func() { k.Enter(k.Entry(backup.LedgerDeleted, b)) }, func() {
			_, err := k.Repo.Delete(context.Background(), b.ID, repository.DeleteOptions{})
			require.NoError(k.T, err)
		}}
	},
	"replace the key": func(k *Fixture, b *Backup) []func() {
		keyFile, sums, signature := k.Seal(b)
		data := map[string][]byte{backup.KeyFile: keyFile, backup.SignatureFile: signature, backup.SumsFile: sums}
		var write, name []func()
		for _, file := range []string{backup.KeyFile, backup.SignatureFile, backup.SumsFile} {
			next := k.Of(b, file+backup.NextSuffix)
			write = append(write, func() { require.NoError(k.T, os.WriteFile(next, data[file], 0o600)) })
			name = append(name, func() { require.NoError(k.T, os.Remove(k.Of(b, file))) }, func() { require.NoError(k.T, os.Rename(next, k.Of(b, file))) })
		}
		announce := func() { b.Sums = sums; k.Enter(k.Entry(backup.LedgerRewrapped, b)) }
		return append(append(write, announce), name...)
	},
	"exchange it for one that is re-encrypted": func(k *Fixture, b *Backup) []func() {
		staged, old := k.Of(b)+".new", k.Of(b)+".old"
		staged, old = strings.Replace(staged, backup.BackupsDir, backup.StagingDir, 1), strings.Replace(old, backup.BackupsDir, backup.StagingDir, 1)
		require.NoError(k.T, os.CopyFS(staged, os.DirFS(k.Of(b))))
		keyFile, sums, signature := k.Seal(b)
		for name, data := range map[string][]byte{backup.KeyFile: keyFile, backup.SumsFile: sums, backup.SignatureFile: signature} {
			require.NoError(k.T, os.WriteFile(staged+"/"+name, data, 0o600))
		}
		return []func(){
			func() { require.NoError(k.T, os.Rename(k.Of(b), old)) },
			func() { require.NoError(k.T, os.Rename(staged, k.Of(b))) },
			func() { b.Sums = sums; k.Enter(k.Entry(backup.LedgerReencrypted, b)) },
		}
	},
	"keep a share busy with other backups": func(k *Fixture, _ *Backup) []func() {
		var steps []func()
		for range 40 {
			steps = append(steps, func() { k.Enter(k.Entry(backup.LedgerTakenOver, nil)) })
		}
		return steps
	},
}

// KeyFiles are the files of a backup that replacing its key replaces.
var KeyFiles = []string{backup.KeyFile, backup.SumsFile, backup.SignatureFile}

// HalfReplaced is a state in which replacing a key can end.
type HalfReplaced struct{ Next, Named []string }

// Halves are the states in which replacing a backup's key can end: what still lies
// under its new name, and what has its name already.
var Halves = map[string]HalfReplaced{
	"key written":     {Next: []string{backup.KeyFile}},
	"sums written":    {Next: []string{backup.KeyFile, backup.SumsFile}},
	"all written":     {Next: KeyFiles},
	"key named":       {Next: []string{backup.SumsFile, backup.SignatureFile}, Named: []string{backup.KeyFile}},
	"sums named":      {Next: []string{backup.SignatureFile}, Named: []string{backup.KeyFile, backup.SumsFile}},
	"signature first": {Next: []string{backup.KeyFile, backup.SumsFile}, Named: []string{backup.SignatureFile}},
	"sums first":      {Next: []string{backup.KeyFile, backup.SignatureFile}, Named: []string{backup.SumsFile}},
}

// Damages are what can happen to a file.
var Damages = map[string]func(data []byte) []byte{
	"first bit":  func(data []byte) []byte { data[0] ^= 0x80; return data },
	"middle bit": func(data []byte) []byte { data[len(data)/2] ^= 1; return data },
	"last bit":   func(data []byte) []byte { data[len(data)-1] ^= 1; return data },
	"truncated":  func(data []byte) []byte { return data[:len(data)-1] },
	"emptied":    func([]byte) []byte { return nil },
	"extended":   func(data []byte) []byte { return append(data, '\n') },
	"deleted":    nil,
}

// Touch makes an empty file.
func Touch(path string) error { return os.WriteFile(path, nil, 0o600) }

// Sparse makes a file of any size that takes no space.
func Sparse(path string, size int64) error {
	if err := Touch(path); err != nil {
		return err
	}
	return os.Truncate(path, size)
}
