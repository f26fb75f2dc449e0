package seal

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

// requireTool finds a stock tool. Without it the test is skipped, unless the
// environment says that all of them have to be there.
func requireTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("INFRABACKUP_REQUIRE_LAB") == "1" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
}

func encrypt(t testing.TB, plain []byte, recipient string) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := Encrypt(&out, recipient)
	require.NoError(t, err)
	_, err = w.Write(plain)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func identity(t testing.TB, text string) Identity {
	t.Helper()
	ids, err := ParseIdentities([]byte(text))
	require.NoError(t, err)
	return ids[0]
}

func decryptAll(data []byte, id Identity) ([]byte, error) {
	r, err := Decrypt(bytes.NewReader(data), id)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// operators are keys of every kind, as files.
func operators(t testing.TB) map[string]struct {
	file      []byte
	recipient Recipient
} {
	t.Helper()
	all := map[string]struct {
		file      []byte
		recipient Recipient
	}{}
	add := func(name, file string) {
		all[name] = struct {
			file      []byte
			recipient Recipient
		}{[]byte(file), identity(t, file).Recipient()}
	}
	x, _ := generate(t, false)
	add("X25519", x)
	pq, _ := generate(t, true)
	add("hybrid", pq)
	for name, file := range rsaForms(t) {
		add(name, string(file))
	}
	return all
}

func TestBackupKeyOpensWithEveryKindOfKey(t *testing.T) {
	for name, op := range operators(t) {
		t.Run(name, func(t *testing.T) {
			key, err := NewBackupKey(op.recipient)
			require.NoError(t, err)
			other, _ := generate(t, op.recipient.Kind == KindHybrid)
			keyAge, err := key.Wrap([]Recipient{identity(t, other).Recipient(), op.recipient})
			require.NoError(t, err)
			require.Less(t, len(keyAge), 16<<10)
			public := key.Recipient()
			key.Forget()
			_, err = key.Wrap([]Recipient{op.recipient})
			require.ErrorIs(t, err, fault.Internal, "a forgotten key is gone")

			wrong, _ := generate(t, false)
			opened, err := OpenBackupKey(keyAge, []Identity{identity(t, wrong), identity(t, string(op.file))})
			require.NoError(t, err)
			require.Equal(t, public, opened.Public())
			require.Equal(t, op.recipient.Kind == KindHybrid, strings.HasPrefix(public, "age1pq1"), "protection reaches the parts")
			got, err := decryptAll(encrypt(t, []byte("part"), public), opened)
			require.NoError(t, err)
			require.Equal(t, "part", string(got))

			_, err = OpenBackupKey(keyAge, []Identity{identity(t, wrong)})
			require.ErrorIs(t, err, fault.KeyDoesNotFit)
			_, err = OpenBackupKey(keyAge, nil)
			require.ErrorIs(t, err, fault.KeyDoesNotFit)
		})
	}
}

// TestStockAgeOpensABackup walks the way that RECOVERY.txt describes.
func TestStockAgeOpensABackup(t *testing.T) {
	requireTool(t, "age")
	plain := bytes.Repeat([]byte("some part of a backup\n"), 10_000)
	for name, op := range operators(t) {
		if name == "hybrid" {
			continue // age before 1.3, which distributions still have, cannot read it
		}
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			key, err := NewBackupKey(op.recipient)
			require.NoError(t, err)
			keyAge, err := key.Wrap([]Recipient{op.recipient})
			require.NoError(t, err)
			for file, data := range map[string][]byte{"operator.key": op.file, "key.age": keyAge, "ad.tar.zst.age": encrypt(t, plain, key.Recipient())} {
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), data, 0o600))
			}
			cmd := exec.Command("sh", "-ec", "age -d -i operator.key key.age > backup.key; age -d -i backup.key ad.tar.zst.age")
			cmd.Dir = dir
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			got, err := cmd.Output()
			require.NoError(t, err, stderr.String())
			require.True(t, bytes.Equal(plain, got))
		})
	}
}

func TestSymmetricKeyOpensWithWhatAgeKnows(t *testing.T) {
	requireTool(t, "age")
	id := identity(t, strings.Repeat("QUJD", 11)+"QQ==")
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte(id.Text().Reveal()), 0o600))
	cmd := exec.Command("age", "-d", "-i", file)
	cmd.Stdin = bytes.NewReader(encrypt(t, []byte("x"), id.Public()))
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, "x", string(out))
}

func TestWrapRefuses(t *testing.T) {
	_, x := generate(t, false)
	_, pq := generate(t, true)
	key, err := NewBackupKey(x, pq)
	require.NoError(t, err)
	for name, rs := range map[string][]Recipient{
		"nobody": nil, "mixed": {x, pq}, "mixed the other way": {pq, x}, "zero": {{}}, "too many": make([]Recipient, 101),
	} {
		_, err := key.Wrap(rs)
		require.ErrorIs(t, err, fault.KeyInvalid, name)
	}
	_, err = Encrypt(io.Discard, "age1nonsense")
	require.ErrorIs(t, err, fault.KeyInvalid)
}

func TestRewrapChangesTheKeyFileOnly(t *testing.T) {
	oldText, oldR := generate(t, false)
	newText, newR := generate(t, false)
	key, err := NewBackupKey()
	require.NoError(t, err)
	keyAge, err := key.Wrap([]Recipient{oldR})
	require.NoError(t, err)
	again, err := Rewrap(keyAge, []Identity{identity(t, oldText)}, []Recipient{newR})
	require.NoError(t, err)
	id, err := OpenBackupKey(again, []Identity{identity(t, newText)})
	require.NoError(t, err)
	require.Equal(t, key.Recipient(), id.Public())
	_, err = OpenBackupKey(again, []Identity{identity(t, oldText)})
	require.ErrorIs(t, err, fault.KeyDoesNotFit)
}

func TestOpenBackupKeyRefusesDamage(t *testing.T) {
	text, r := generate(t, false)
	ids := []Identity{identity(t, text)}
	key, err := NewBackupKey()
	require.NoError(t, err)
	good, err := key.Wrap([]Recipient{r})
	require.NoError(t, err)
	var notKey bytes.Buffer
	w, err := age.Encrypt(&notKey, r.recipient)
	require.NoError(t, err)
	_, err = w.Write(bytes.Repeat([]byte("#\n"), maxBackupKey))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	for name, data := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "cut": good[:len(good)-1], "header only": good[:60],
		"extended": append(bytes.Clone(good), 0), "version": bytes.Replace(good, []byte("org/v1"), []byte("org/v2"), 1),
		"too large": make([]byte, MaxKeyFile+1), "endless plain text": notKey.Bytes(),
		"no key in it": encrypt(t, []byte("hello"), r.Text), "two keys in it": encrypt(t, []byte(text+text), r.Text),
		"RSA in it": encrypt(t, rsaForms(t)["PKCS1"], r.Text),
	} {
		_, err := OpenBackupKey(data, ids)
		require.ErrorIs(t, err, fault.BackupDamaged, name)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		_, err := OpenBackupKey(bad, ids)
		code := fault.CodeOf(err)
		require.True(t, code == fault.BackupDamaged || code == fault.KeyDoesNotFit, "byte %d: %v", i, err)
	}
}

func TestDecryptNoticesEveryChange(t *testing.T) {
	key, err := NewBackupKey()
	require.NoError(t, err)
	plain := make([]byte, 200_000)
	_, _ = rand.Read(plain)
	data := encrypt(t, plain, key.Recipient())
	id := key.identity
	for name, bad := range map[string][]byte{
		"cut by one": data[:len(data)-1], "cut at a chunk": data[:len(data)-(200_000-3*65536)-16], "extended": append(bytes.Clone(data), 1),
		"flip in header": flip(data, 90), "flip in body": flip(data, 100_000), "flip at end": flip(data, len(data)-1), "empty": nil,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decryptAll(bad, id)
			require.Contains(t, []fault.Code{fault.BackupDamaged, fault.KeyDoesNotFit}, fault.CodeOf(err))
			r, n, err := DecryptReaderAt(bytes.NewReader(bad), int64(len(bad)), id)
			if err == nil {
				_, err = io.Copy(io.Discard, io.NewSectionReader(r, 0, n))
			}
			require.Contains(t, []fault.Code{fault.BackupDamaged, fault.KeyDoesNotFit}, fault.CodeOf(err))
		})
	}
	r, n, err := DecryptReaderAt(bytes.NewReader(data), int64(len(data)), id)
	require.NoError(t, err)
	require.EqualValues(t, len(plain), n)
	got := make([]byte, 70_000)
	_, err = r.ReadAt(got, 65_000)
	require.NoError(t, err)
	require.True(t, bytes.Equal(plain[65_000:135_000], got))
	_, err = r.ReadAt(got, n-10)
	require.Equal(t, io.EOF, err)

	other, _ := generate(t, false)
	_, err = decryptAll(data, identity(t, other))
	require.ErrorIs(t, err, fault.KeyDoesNotFit)
	_, _, err = DecryptReaderAt(bytes.NewReader(data), int64(len(data)), identity(t, other))
	require.ErrorIs(t, err, fault.KeyDoesNotFit)
	_, err = decryptAll(data, Identity{})
	require.ErrorIs(t, err, fault.KeyDoesNotFit)
	_, _, err = DecryptReaderAt(bytes.NewReader(data), int64(len(data)), Identity{})
	require.ErrorIs(t, err, fault.KeyDoesNotFit)
}

func flip(data []byte, at int) []byte {
	bad := bytes.Clone(data)
	bad[at] ^= 4
	return bad
}

// TestErrorsOfTheSourceComeBackAsTheyAre: a share that stops answering is not damage.
func TestErrorsOfTheSourceComeBackAsTheyAre(t *testing.T) {
	gone := fault.New(fault.ShareUnreachable, "gone", errors.New("reset"))
	key, err := NewBackupKey()
	require.NoError(t, err)
	data := encrypt(t, make([]byte, 200_000), key.Recipient())
	for _, at := range []int{0, 50, 100, 250, 70_000, 150_000} {
		r, err := Decrypt(io.MultiReader(bytes.NewReader(data[:at]), &broken{err: gone}), key.identity)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		require.Equal(t, gone, err, at)
		ra, n, err := DecryptReaderAt(&broken{r: bytes.NewReader(data), bad: int64(at), err: gone}, int64(len(data)), key.identity)
		if err == nil {
			_, err = io.Copy(io.Discard, io.NewSectionReader(ra, 0, n))
		}
		require.Equal(t, gone, err, at)
	}
	w, err := Encrypt(&broken{err: gone}, key.Recipient())
	if err == nil {
		_, err = w.Write(make([]byte, 100_000))
	}
	require.ErrorIs(t, err, fault.ShareUnreachable)
}

// broken fails when a read touches the byte at bad.
type broken struct {
	r   io.ReaderAt
	bad int64
	err error
}

func (b *broken) Read([]byte) (int, error)  { return 0, b.err }
func (b *broken) Write([]byte) (int, error) { return 0, b.err }
func (b *broken) ReadAt(p []byte, off int64) (int, error) {
	if off <= b.bad && b.bad < off+int64(len(p)) {
		return 0, b.err
	}
	return b.r.ReadAt(p, off)
}

func TestSignatures(t *testing.T) {
	public, key, err := ed25519Line(t)
	require.NoError(t, err)
	otherPublic, other, err := ed25519Line(t)
	require.NoError(t, err)
	message := []byte("the sums\n")
	sig, err := key.Sign(message)
	require.NoError(t, err)
	again, err := key.Sign(message)
	require.NoError(t, err)
	require.Equal(t, sig, again)
	signers := []byte("# comment\n\n" + AllowedSignersLine(otherPublic) + AllowedSignersLine(public) + "somebody@else cert-authority ssh-rsa AAAA\n")
	got, err := VerifySignature(message, sig, signers)
	require.NoError(t, err)
	require.Equal(t, key.Fingerprint(), got)
	require.NotEqual(t, other.Fingerprint(), got)
	got, err = SignerFingerprint(public)
	require.NoError(t, err)
	require.Equal(t, key.Fingerprint(), got)
	_, err = SignerFingerprint("ssh-ed25519 nonsense")
	require.ErrorIs(t, err, fault.KeyInvalid)

	rsaSigner := []byte("infrabackup namespaces=\"infrabackup\" " + sshLine(t, rsaKey().Public()) + "\n")
	for name, tc := range map[string]struct{ message, sig, signers []byte }{
		"other message":   {[]byte("the sums"), sig, signers},
		"no signature":    {message, nil, signers},
		"no signers":      {message, sig, nil},
		"other signer":    {message, sig, []byte(AllowedSignersLine(otherPublic))},
		"other principal": {message, sig, []byte(strings.Replace(AllowedSignersLine(public), "infrabackup ", "mallory ", 1))},
		"other namespace": {message, sig, []byte(strings.Replace(AllowedSignersLine(public), `"infrabackup"`, `"file"`, 1))},
		"option":          {message, sig, []byte(strings.Replace(AllowedSignersLine(public), "namespaces", `valid-before="20200101",namespaces`, 1))},
		"RSA signer":      {message, sig, rsaSigner},
		"broken line":     {message, sig, []byte("infrabackup ssh-ed25519 AAAA\n")},
		"text before":     {message, append([]byte("x\n"), sig...), signers},
		"text behind":     {message, append(bytes.Clone(sig), '\n'), signers},
		"other wrapping":  {message, bytes.Replace(sig, []byte("\n"), []byte("\r\n"), -1), signers},
		"header":          {message, bytes.Replace(sig, []byte("-----\n"), []byte("-----\nA: b\n\n"), 1), signers},
		"long":            {message, append(bytes.Clone(sig), make([]byte, maxSignature)...), signers},
		"many signers":    {message, sig, make([]byte, maxAllowedSigners+1)},
	} {
		_, err := VerifySignature(tc.message, tc.sig, tc.signers)
		require.ErrorIs(t, err, fault.BackupForged, name)
	}
	for i := range len(sig) * 8 {
		bad := bytes.Clone(sig)
		bad[i/8] ^= 1 << (i % 8)
		_, err := VerifySignature(message, bad, signers)
		require.ErrorIs(t, err, fault.BackupForged, "bit %d", i)
	}
}

func TestSigningKeysAreRefused(t *testing.T) {
	_, err := GenerateSigningKey(strings.NewReader("short"))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	for name, text := range rsaForms(t) {
		_, err := ParseSigningKey(secretOf(text))
		require.ErrorIs(t, err, fault.KeyInvalid, name)
	}
	_, err = ParseSigningKey(secretOf([]byte("nonsense")))
	require.ErrorIs(t, err, fault.KeyInvalid)
	first, err := GenerateSigningKey(bytes.NewReader(make([]byte, 32)))
	require.NoError(t, err)
	second, err := GenerateSigningKey(bytes.NewReader(make([]byte, 32)))
	require.NoError(t, err)
	require.Equal(t, first.Reveal(), second.Reveal(), "the source of randomness decides")
}

func TestStockToolsVerifyASignature(t *testing.T) {
	requireTool(t, "ssh-keygen")
	requireTool(t, "sha256sum")
	public, key, err := ed25519Line(t)
	require.NoError(t, err)
	dir := t.TempDir()
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	sums := backup.EncodeSums([]backup.File{{Name: "manifest.json", SHA256: empty}, {Name: "key.age", SHA256: empty}})
	sig, err := key.Sign(sums)
	require.NoError(t, err)
	for name, data := range map[string][]byte{
		"SHA256SUMS": sums, "SHA256SUMS.sig": sig, "allowed_signers": []byte(AllowedSignersLine(public)), "manifest.json": nil, "key.age": nil,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	for _, command := range []string{
		"ssh-keygen -Y verify -f allowed_signers -I infrabackup -n infrabackup -s SHA256SUMS.sig < SHA256SUMS", "sha256sum --strict -c SHA256SUMS",
	} {
		cmd := exec.Command("sh", "-c", command)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	got, err := VerifySignature(sums, sig, []byte(AllowedSignersLine(public)))
	require.NoError(t, err)
	require.Equal(t, key.Fingerprint(), got)
}

func secretOf(text []byte) secret.String { return secret.New(string(text)) }

func TestSeveralSignersAreAllowed(t *testing.T) {
	oldPublic, oldKey, err := ed25519Line(t)
	require.NoError(t, err)
	newPublic, newKey, err := ed25519Line(t)
	require.NoError(t, err)
	file := AllowedSigners(newPublic, oldPublic)
	require.Equal(t, AllowedSignersLine(newPublic)+AllowedSignersLine(oldPublic), string(file))
	keys, err := ParseAllowedSigners(append([]byte("# a comment\nsomebody ssh-rsa AAAA\n\n"), file...))
	require.NoError(t, err)
	require.Equal(t, []string{newKey.Public(), oldKey.Public()}, keys)
	for _, key := range []*SigningKey{oldKey, newKey} {
		sig, err := key.Sign([]byte("sums"))
		require.NoError(t, err)
		signer, err := VerifySignature([]byte("sums"), sig, file)
		require.NoError(t, err)
		require.Equal(t, key.Fingerprint(), signer)
	}
	_, err = ParseAllowedSigners([]byte("infrabackup ssh-rsa AAAA\n"))
	require.ErrorIs(t, err, fault.BackupForged)
	none, err := ParseAllowedSigners(nil)
	require.NoError(t, err)
	require.Empty(t, none)
}
