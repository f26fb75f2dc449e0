package ca

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/collect/ca/pki"
	"infrabackup/internal/fault"
	"infrabackup/tests/tier"
)

// TestCollectOfAWorkingCA lets the CA move while files are handed out: the
// capture fails, retryable, whatever moved, unless it is of no matter.
func TestCollectOfAWorkingCA(t *testing.T) {
	sound := newLabCA(t, ecKey)
	sound.fill()
	sound.write("ocsp.log", "first line\n")
	for name, row := range map[string]struct {
		at     string // file before which the change happens
		change func(*labCA)
		want   error
	}{
		"issues before the index is read": {"ca/cacert.pem", func(c *labCA) { c.issue("new.example.com") }, fault.SourceChanging},
		"issues after the index was read": {"ca/serial", func(c *labCA) { c.issue("new.example.com") }, fault.SourceChanging},
		"revokes":                         {"ca/serial", func(c *labCA) { c.revoke("1000", "superseded") }, fault.SourceChanging},
		"issues a CRL":                    {"ca/serial", func(c *labCA) { c.crl() }, fault.SourceChanging},
		"file grows while it is read":     {"ca/ocsp.log", func(c *labCA) { c.write("ocsp.log", "first line\nsecond\n") }, nil},
		"own file changes later":          {"ca/serial", func(c *labCA) { c.write("cacert.pem", c.readText("cacert.pem")+"\n") }, fault.SourceChanging},
		"own file vanishes":               {"ca/serial", func(c *labCA) { c.remove("newcerts/1000.pem") }, fault.SourceChanging},
		"file vanishes before it is read": {"ca/cacert.pem", func(c *labCA) { c.remove("serial") }, fault.SourceChanging},
		"certificate comes up":            {"ca/serial", func(c *labCA) { c.write("newcerts/1009.pem", "x") }, fault.SourceChanging},
		"certificate comes up elsewhere":  {"ca/serial", func(c *labCA) { c.write("a.pem", c.readText("cacert.pem")) }, fault.SourceChanging},
		"log comes up":                    {"ca/serial", func(c *labCA) { c.write("another.log", "x") }, nil},
		"log grows after it was read":     {"ca/serial", func(c *labCA) { c.write("ocsp.log", "first line\nsecond\n") }, nil},
		"index is replaced, same size":    {"ca/cacert.pem", func(c *labCA) { c.write("index.txt", strings.ToLower(c.readText("index.txt"))) }, fault.SourceChanging},
		"index moves with its time put back": {"ca/serial", func(c *labCA) {
			info, err := os.Stat(c.path("index.txt"))
			require.NoError(c.t, err)
			c.write("index.txt", strings.Replace(c.readText("index.txt"), "unknown", "unknowm", 1))
			require.NoError(c.t, os.Chtimes(c.path("index.txt"), info.ModTime(), info.ModTime()))
		}, fault.SourceChanging},
	} {
		t.Run(name, func(t *testing.T) {
			lab := sound.copyTo(t)
			done := false
			sink := &recorder{before: func(info collect.FileInfo) error {
				if info.Path == row.at {
					row.change(lab)
					done = true
				}
				return nil
			}}
			_, err := newTestCollector(t, Config{Dir: lab.dir}, time.Now()).Collect(t.Context(), sink)
			require.True(t, done)
			if row.want == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, row.want)
		})
	}
}

// TestCollectOfAChangingLargeFile changes a file that is too large to be read at
// once, while the sink reads it. It is not the CA's: one that grows is captured as it
// was, one that shrinks is not there any more.
func TestCollectOfAChangingLargeFile(t *testing.T) {
	sound := newLabCA(t, ecKey)
	for name, size := range map[string]int64{"grows": 6 << 20, "shrinks": 2 << 20} {
		t.Run(name, func(t *testing.T) {
			lab := sound.copyTo(t)
			blob := lab.path("blob")
			require.NoError(t, os.WriteFile(blob, make([]byte, 4<<20), 0o600))
			sink := &recorder{before: func(info collect.FileInfo) error {
				if info.Path == "ca/blob" {
					return os.Truncate(blob, size)
				}
				return nil
			}}
			if name == "shrinks" {
				require.ErrorIs(t, collectError(t, lab.dir, sink), fault.SourceChanging)
				return
			}
			_, err := newTestCollector(t, Config{Dir: lab.dir}, time.Now()).Collect(t.Context(), sink)
			require.NoError(t, err)
			require.Equal(t, []string{FileChanging}, codesOf(sink.gaps, FileNotRecognised))
		})
	}
}

// TestSurveyStartsAgain moves the CA during the first pass only: nothing has been
// handed out, so the capture mends it by itself.
func TestSurveyStartsAgain(t *testing.T) {
	lab := newLabCA(t, ecKey)
	lab.fill()
	f, err := openFolder(lab.dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	s, err := newSurvey(t.Context(), f, time.Now(), plannedBytes)
	require.NoError(t, err)
	require.NoError(t, s.still(t.Context()))
	lab.issue("meanwhile.example.com")
	require.ErrorIs(t, s.still(t.Context()), fault.SourceChanging)

	// A CA that never holds still: the number of passes is bounded, and nothing is
	// handed out.
	busy := &busyContext{Context: t.Context(), lab: lab}
	pauses := 0
	c := newTestCollector(t, Config{Dir: lab.dir}, time.Now())
	c.pause = func(context.Context, time.Duration) error { pauses++; return nil }
	sink := &recorder{}
	_, err = c.Collect(busy, sink)
	require.ErrorIs(t, err, fault.SourceChanging)
	require.Equal(t, maxSurveys-1, pauses)
	require.Empty(t, sink.calls)

	// It comes to rest in a pause.
	c.pause = func(context.Context, time.Duration) error { busy.rest = true; return nil }
	sink = &recorder{}
	_, err = c.Collect(busy, sink)
	require.NoError(t, err)
	require.NotEmpty(t, sink.calls)

	require.NoError(t, pause(t.Context(), time.Nanosecond))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, pause(ctx, time.Hour), fault.Cancelled)
}

// busyContext lets the CA move whenever the capture asks whether to go on.
type busyContext struct {
	context.Context
	lab   *labCA
	count int
	rest  bool
}

// Err implements [context.Context].
func (b *busyContext) Err() error {
	if !b.rest {
		b.count++
		b.lab.write("serial", fmt.Sprintf("%06X\n", 0x2000+b.count))
	}
	return b.Context.Err()
}

// heapSink measures the heap while it reads.
type heapSink struct {
	peak  uint64
	bytes int64
	items int
	gaps  []backup.Gap
}

func (h *heapSink) Record(backup.Item, []byte) error { return nil }
func (h *heapSink) Gap(gap backup.Gap)               { h.gaps = append(h.gaps, gap) }
func (h *heapSink) File(_ backup.Item, info collect.FileInfo, r io.Reader) error {
	if h.items++; h.items%1000 == 0 || info.Size > 1<<20 {
		h.measure()
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, make([]byte, 256<<10))
	if h.bytes += n; info.Size > 1<<20 {
		h.measure()
	}
	return err
}

func (h *heapSink) measure() {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	h.peak = max(h.peak, stats.HeapAlloc)
}

func TestCollectTwoGiBBlob(t *testing.T) {
	lab := newLabCA(t, ecKey)
	const size = 2 << 30
	require.NoError(t, os.WriteFile(lab.path("disk.img"), nil, 0o600))
	require.NoError(t, os.Truncate(lab.path("disk.img"), size))
	sink := &heapSink{}
	_, err := newTestCollector(t, Config{Dir: lab.dir}, time.Now()).Collect(t.Context(), sink)
	require.NoError(t, err)
	require.Greater(t, sink.bytes, int64(size))
	require.Less(t, sink.peak, uint64(48<<20), "heap")
	require.Len(t, sink.gaps, 1)
	require.Equal(t, FileNotRecognised, sink.gaps[0].Code)
}

// TestCollectManyCertificates makes a CA with many certificates, without openssl
// for speed, and holds the heap to what is remembered of each.
func TestCollectManyCertificates(t *testing.T) {
	count := tier.Size(1_000, 3_000, 50_000)
	dir := t.TempDir()
	now := time.Now().Truncate(time.Second).UTC()
	ca, key := writeQuickCA(t, dir, now)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "newcerts"), 0o700))
	var index strings.Builder
	for i := range count {
		number := int64(0x100000 + i)
		leaf := &x509.Certificate{SerialNumber: big.NewInt(number), Subject: pkix.Name{CommonName: "leaf"}, NotBefore: now, NotAfter: now.AddDate(0, 1, 0)}
		der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), key)
		require.NoError(t, err)
		writePEM(t, filepath.Join(dir, "newcerts", fmt.Sprintf("%X.pem", number)), "CERTIFICATE", der)
		fmt.Fprintf(&index, "V\t%s\t\t%X\tunknown\t/CN=leaf\n", leaf.NotAfter.Format("060102150405Z"), number)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "index.txt"), []byte(index.String()), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "serial"), fmt.Appendf(nil, "%X\n", 0x100000+count), 0o600))
	index.Reset()
	runtime.GC()
	sink := &heapSink{}
	result, err := newTestCollector(t, Config{Dir: dir}, now.Add(time.Minute)).Collect(t.Context(), sink)
	require.NoError(t, err)
	require.Empty(t, sink.gaps)
	require.Equal(t, fmt.Sprint(count+1), result.Cursor["certificates"])
	require.Less(t, sink.peak, uint64(32<<20), "heap")
}

// writeQuickCA makes a CA certificate and its key without openssl.
func writeQuickCA(t *testing.T, dir string, now time.Time) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Many"}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SubjectKeyId: []byte{1},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	writePEM(t, filepath.Join(dir, "cacert.pem"), "CERTIFICATE", der)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	writePEM(t, filepath.Join(dir, "cakey.pem"), "PRIVATE KEY", pkcs8)
	ca, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return ca, key
}

func writePEM(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

// TestCollectLargeCRL checks a CRL that is larger than other files may be, and
// notes one that is too large.
func TestCollectLargeCRL(t *testing.T) {
	tier.Weighs(t)
	const count = 50_000
	dir := t.TempDir()
	now := time.Now().Truncate(time.Second).UTC()
	ca, key := writeQuickCA(t, dir, now)
	var index strings.Builder
	revoked := make([]x509.RevocationListEntry, count)
	for i := range revoked {
		revoked[i] = x509.RevocationListEntry{SerialNumber: big.NewInt(int64(0x100000 + i)), RevocationTime: now.Add(-time.Hour)}
		fmt.Fprintf(&index, "R\t%s\t%s\t%X\tunknown\t/CN=leaf\n", now.AddDate(0, 1, 0).Format("060102150405Z"), now.Format("060102150405Z"), 0x100000+i)
	}
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(7), ThisUpdate: now, NextUpdate: now.Add(time.Hour), RevokedCertificateEntries: revoked[1:],
	}, ca, key)
	require.NoError(t, err)
	writePEM(t, filepath.Join(dir, "crl.pem"), "X509 CRL", der)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "index.txt"), []byte(index.String()), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "serial"), []byte("200000\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "crlnumber"), []byte("08\n"), 0o600))

	sink, result := collectAt(t, dir, now.Add(time.Minute))
	require.Equal(t, []string{IssuedMissing, RevokedNotOnCRL}, sink.codes())
	require.Equal(t, "100000", sink.gaps[0].Object)
	require.Len(t, sink.kinds(pki.KindCRL), 1)
	require.Equal(t, fmt.Sprint(count), result.Cursor["revoked"])
	require.Equal(t, "07", result.Cursor["newestCrl"])

	writePEM(t, filepath.Join(dir, "huge.pem"), "X509 CRL", make([]byte, pki.MaxCRLBytes))
	sink, _ = collectAt(t, dir, now.Add(time.Minute))
	require.Equal(t, []string{IssuedMissing, CRLUnreadable, RevokedNotOnCRL}, sink.codes())
	require.Len(t, sink.kinds(pki.KindCRL), 2)
}

func TestCollectRefusesEndlessNesting(t *testing.T) {
	lab := newLabCA(t, ecKey)
	require.NoError(t, os.MkdirAll(lab.path(strings.Repeat("d/", maxDepth+1)), 0o700))
	require.ErrorIs(t, collectError(t, lab.dir, &recorder{}), fault.LimitExceeded)
}
