package web

import (
	"context"
	"crypto/tls"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

const (
	maxCertificateBytes = 256 << 10
	certificateEvery    = time.Second // how often the files are looked at
)

// keyPair is the server's certificate, which is read again when its files change. A pair that
// cannot be used, such as one that is half written, leaves the one before.
type keyPair struct {
	certificateFile, keyFile string
	now                      func() time.Time
	logger                   *slog.Logger

	mu      sync.Mutex
	looked  time.Time
	infos   [2]fs.FileInfo
	current *tls.Certificate
}

func loadKeyPair(certificateFile, keyFile string, now func() time.Time, logger *slog.Logger) (*keyPair, error) {
	k := &keyPair{certificateFile: certificateFile, keyFile: keyFile, now: now, logger: logger}
	if err := k.load(); err != nil {
		return nil, fault.New(fault.ConfigInvalid, "the server's certificate cannot be used", err)
	}
	return k, nil
}

// load reads both files. Reading them does not let it wait: they are regular.
func (k *keyPair) load() error {
	k.looked = k.now()
	infos := k.stat()
	chain, err := secret.File{MaxBytes: maxCertificateBytes}.Read(context.Background(), k.certificateFile)
	if err != nil {
		return err
	}
	key, err := secret.File{MaxBytes: maxCertificateBytes, Private: true}.Read(context.Background(), k.keyFile)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return err
	}
	k.current, k.infos = &pair, infos
	return nil
}

// stat describes both files; what cannot be looked at is nil.
func (k *keyPair) stat() (infos [2]fs.FileInfo) {
	for i, name := range []string{k.certificateFile, k.keyFile} {
		if info, err := os.Stat(name); err == nil {
			infos[i] = info
		}
	}
	return infos
}

// get implements [tls.Config.GetCertificate].
func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if age := k.now().Sub(k.looked); age >= 0 && age < certificateEvery {
		return k.current, nil
	}
	k.looked = k.now()
	infos := k.stat()
	for i := range infos {
		if !sameFile(k.infos[i], infos[i]) {
			if err := k.load(); err != nil {
				k.infos = infos // until they change again
				k.logger.Error("the server's new certificate cannot be used; the one before stays", "error", err.Error())
			} else {
				k.logger.Info("the server's certificate was read again")
			}
			break
		}
	}
	return k.current, nil
}

func sameFile(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
