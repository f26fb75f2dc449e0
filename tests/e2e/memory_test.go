package e2e

import (
	"bytes"
	"crypto/ecdh"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/seal"
)

// TestControllerCannotOpenItsBackups takes what somebody has who takes over a
// controller after a backup has ended: the worker's memory, its disk, and Temporal's
// database together with the codec key. Neither the backup's key nor that of any of its
// files must be there, and nothing that looks like a key may open any of the backup.
func TestControllerCannotOpenItsBackups(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	into[map[string]any](t, o.enable(nil))
	done, meanwhile := o.watchedBackup()
	taken := o.backupKey(done)
	taken.requireUseless(meanwhile)

	needles := taken.needles()
	require.Len(t, needles, 3+2*(len(taken.files)-1), "three forms of the key, and two keys for each other file")
	memory := memoryOf(t, o.pid, needles, map[string][]byte{
		"password of the directory": []byte(strings.TrimSpace(readAll(t, o.env["LAB_LDAP_PASSWORD_FILE"]))),
		"codec key":                 rawCodecKey(t, o.file("codec.keys")),
	})
	require.Equal(t, map[string]bool{"password of the directory": true, "codec key": true}, memory.found,
		"what is certainly there is found, and nothing of the backup's keys")
	t.Logf("%d MiB of memory; private keys: %d while it ran, %d afterwards", memory.size>>20, len(meanwhile), len(memory.keys))
	taken.requireUseless(memory.keys)

	places := map[string][]byte{"the decrypted histories": o.decodedHistories(o.file("codec.log"))}
	databases, err := filepath.Glob(o.env["LAB_TEMPORAL_DB"] + "*")
	require.NoError(t, err)
	require.NotEmpty(t, databases)
	for _, file := range databases {
		places[file] = []byte(readAll(t, file))
	}
	require.NoError(t, filepath.WalkDir(o.dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && entry.Name() != "operator.key" { // which is not the controller's
			places[path] = []byte(readAll(t, path))
		}
		return err
	}))
	require.Contains(t, string(places["the decrypted histories"]), taken.identity.Public(), "nothing would be found there")
	require.Contains(t, places, o.file("worker.yaml"))
	requireNowhere(t, needles, places)
	for _, data := range places {
		taken.requireUseless(keysIn(data))
	}

	// The key of the work files is one that the codec key gives to whoever has it.
	ring, err := codec.LoadKeyring(o.file("codec.keys"))
	require.NoError(t, err)
	seed, err := ring.Derive(ring.Active(), "work files", string(done.BackupID))
	require.NoError(t, err)
	work, _, err := seal.DeriveIdentity(seed)
	require.NoError(t, err)
	taken.requireUseless([]string{work.Text().Reveal()})
}

// TestSearchOfMemoryFinds makes sure that the search would see a key: it searches this
// process, which holds one.
func TestSearchOfMemoryFinds(t *testing.T) {
	t.Parallel()
	text, recipient, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	ids, err := seal.ParseIdentities([]byte(text.Reveal()))
	require.NoError(t, err)
	key := openedKey{t: t, identity: ids[0]}
	held := bytes.Repeat(key.needles()["scalar"], 1) // the raw half, where it surely is
	memory := memoryOf(t, os.Getpid(), map[string][]byte{"scalar": held}, nil)
	require.True(t, memory.found["scalar"])
	require.Contains(t, memory.keys, ids[0].Text().Reveal())

	var wrapped bytes.Buffer
	w, err := seal.Encrypt(&wrapped, recipient.Text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.True(t, opens(memory.keys, map[string][]byte{"part": wrapped.Bytes()}) != "", "a key that is found opens what it is for")
}

// watchedBackup makes a backup and searches the worker's memory again and again while
// it runs. It returns every private key that was there at any time: what was once
// there may be anywhere later, and what is gone later may only have been overwritten
// by chance.
func (o *operator) watchedBackup() (backup.Overview, []string) {
	t := o.t
	answers := make(chan answer, 1)
	go func() { answers <- o.run("backup", "start", "--wait", "-o", "json") }()
	seen := map[string]bool{}
	for {
		began := time.Now()
		for _, key := range memoryOf(t, o.pid).keys {
			seen[key] = true
		}
		select {
		case a := <-answers:
			done := into[backup.Overview](t, a)
			require.Equal(t, backup.Succeeded, done.Status)
			return done, slices.Collect(maps.Keys(seen))
		case <-time.After(2 * time.Since(began)): // so that the backup goes on, too
		}
	}
}

// openedKey is the key of one backup, which only the operator can know, and what it
// is to protect.
type openedKey struct {
	t        *testing.T
	identity seal.Identity
	files    map[string][]byte // key.age and the parts
}

// backupKey opens the key of a finished backup as its operator.
func (o *operator) backupKey(done backup.Overview) openedKey {
	t := o.t
	folder := filepath.Join(o.env["LAB_SHARE_DIR"], filepath.FromSlash(done.Path))
	names, err := filepath.Glob(filepath.Join(folder, "*.age"))
	require.NoError(t, err)
	require.Len(t, names, 2+len(done.Services), "key, catalog and parts")
	key := openedKey{t: t, files: map[string][]byte{}}
	for _, name := range names {
		key.files[filepath.Base(name)] = []byte(readAll(t, name))
	}
	operator, err := seal.ParseIdentities([]byte(readAll(t, o.file("operator.key"))))
	require.NoError(t, err)
	key.identity, err = seal.OpenBackupKey(key.files[backup.KeyFile], operator)
	require.NoError(t, err)
	require.NotEmpty(t, opens([]string{key.identity.Text().Reveal()}, key.files), "the key is the right one")
	return key
}

// needles are the forms in which the key may stand somewhere, and the keys of the files
// that are encrypted to it.
func (k openedKey) needles() map[string][]byte {
	text := k.identity.Text().Reveal()
	scalar := bech32Data(k.t, text)
	private, err := ecdh.X25519().NewPrivateKey(scalar)
	require.NoError(k.t, err)
	require.Equal(k.t, bech32Data(k.t, k.identity.Public()), private.PublicKey().Bytes())
	needles := map[string][]byte{"scalar": scalar, "text": []byte(text), "text in lower case": []byte(strings.ToLower(text))}
	for name, data := range k.files {
		if name != backup.KeyFile { // which is for the operator's key
			maps.Copy(needles, fileKeys(k.t, k.identity, name, data))
		}
	}
	return needles
}

// requireUseless makes sure that none of keys opens anything of the backup.
func (k openedKey) requireUseless(keys []string) {
	k.t.Helper()
	require.Empty(k.t, opens(keys, k.files), "a key that was found opens it")
}

// opens returns the first of files that one of keys opens, empty if there is none.
func opens(keys []string, files map[string][]byte) string {
	for _, text := range keys {
		ids, err := seal.ParseIdentities([]byte(text))
		if err != nil {
			continue // it only looks like one
		}
		for name, data := range files {
			if _, err := seal.Decrypt(bytes.NewReader(data), ids[0]); err == nil {
				return name
			}
		}
	}
	return ""
}

// bech32Data returns the bytes that an age key in Bech32 stands for.
func bech32Data(t *testing.T, text string) []byte {
	t.Helper()
	const checksum = 6
	text = strings.ToLower(text)
	_, digits, found := strings.Cut(text, "1")
	require.True(t, found)
	var out []byte
	acc, bits := 0, 0
	for _, digit := range digits[:len(digits)-checksum] {
		value := strings.IndexRune("qpzry9x8gf2tvdw0s3jn54khce6mua7l", digit)
		require.GreaterOrEqual(t, value, 0)
		acc = acc<<5 | value
		if bits += 5; bits >= 8 {
			bits -= 8
			out = append(out, byte(acc>>bits))
			acc &= 1<<bits - 1
		}
	}
	return out
}

// rawCodecKey returns the bytes of the only key of a file.
func rawCodecKey(t *testing.T, file string) []byte {
	t.Helper()
	_, encoded, found := strings.Cut(strings.TrimSpace(readAll(t, file)), " ")
	require.True(t, found)
	key, err := base64.StdEncoding.DecodeString(encoded)
	require.NoError(t, err)
	return key
}

var ageKey = regexp.MustCompile(`AGE-SECRET-KEY-(?:PQ-)?1[02-9AC-HJ-NP-Z]{58}`)

// keysIn returns what looks like private keys of age.
func keysIn(data []byte) []string {
	var keys []string
	for _, key := range ageKey.FindAll(data, -1) {
		keys = append(keys, string(key))
	}
	return keys
}

// searched is what a search of a process's memory gave.
type searched struct {
	found map[string]bool
	keys  []string
	size  int64
}

// memoryOf searches everything that a running process has mapped. Only root may, and
// also for a process that has closed itself to debuggers.
func memoryOf(t *testing.T, pid int, needles ...map[string][]byte) searched {
	t.Helper()
	mapped := readAll(t, fmt.Sprintf("/proc/%d/maps", pid))
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	require.NoError(t, err)
	defer func() { require.NoError(t, memory.Close()) }()
	result := searched{found: map[string]bool{}}
	for line := range strings.Lines(mapped) {
		var from, to int64
		var rights string
		if strings.Contains(line, "[v") {
			continue // lent by the kernel
		}
		_, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &rights)
		require.NoError(t, err)
		if !strings.HasPrefix(rights, "r") {
			continue // only reserved
		}
		result.search(t, io.NewSectionReader(memory, from, to-from), needles)
	}
	require.Greater(t, result.size, int64(8<<20), "all of it was read")
	return result
}

// search reads a mapping piece by piece, with enough of the one before to see what
// stands across.
func (s *searched) search(t *testing.T, mapping io.Reader, needles []map[string][]byte) {
	t.Helper()
	const piece, overlap = 4 << 20, 256
	buffer := make([]byte, 0, overlap+piece)
	for {
		n, err := io.ReadFull(mapping, buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		s.size += int64(n)
		s.keys = append(s.keys, keysIn(buffer)...)
		for _, some := range needles {
			for name, needle := range some {
				if bytes.Contains(buffer, needle) {
					s.found[name] = true
				}
			}
		}
		if err != nil {
			return // its end, or it was unmapped meanwhile
		}
		buffer = buffer[:copy(buffer, buffer[len(buffer)-overlap:])]
	}
}
