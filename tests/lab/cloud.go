package lab

import (
	"bufio"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

// DefaultResources is how many resources a lab's tenants have.
const DefaultResources = 1000

// stampDomain is the stamp's <region>.<fqdn>.
const stampDomain = "local.azurestack.test"

// maxPrincipals is how many of the directory's users and groups have roles in the
// stamp.
const maxPrincipals = 200

// startStamp fills and starts the stand-in stamp: its principals are the directory's,
// and the certificates in its vaults were issued by the lab's CA.
func (l *Lab) startStamp(ctx context.Context) error {
	principals, err := l.domain.principals(ctx)
	if err != nil {
		return err
	}
	issuer, err := readIssuer(filepath.Join(l.dir, "ca"))
	if err != nil {
		return err
	}
	port, err := FreePort()
	if err != nil {
		return err
	}
	contents, err := inventory.Generate(inventory.Options{
		Seed: l.options.Seed, Resources: l.options.Resources, Domain: stampDomain, VaultPort: port,
		Principals: principals, Dangling: l.options.Dangling, Issuer: issuer, Now: time.Now(),
	})
	if err != nil {
		return fmt.Errorf("make the stamp's contents: %w", err)
	}
	if l.stamp, err = stamp.Start(stamp.Options{
		Domain: stampDomain, Contents: contents, Versions: stamp.UncommonTypes(), Listen: fmt.Sprintf("127.0.0.1:%d", port),
	}); err != nil {
		return err
	}
	l.say("the stand-in stamp has %d resources and %d vault objects", len(contents.Documents), len(contents.VaultObjects))
	if err := l.describeStamp(contents); err != nil {
		return err
	}
	return l.startDrillTarget()
}

// describeStamp writes what tests compare with, and what the worker needs.
func (l *Lab) describeStamp(contents *inventory.Stamp) error {
	dir := l.stampDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "ca.pem"), l.stamp.CA(), 0o600),
		os.WriteFile(filepath.Join(dir, "secret"), []byte(l.stamp.ClientSecret()+"\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "canaries"), []byte(strings.Join(contents.Canaries, "\x00")), 0o600),
		writeLines(filepath.Join(dir, "documents.jsonl"), contents.Documents),
		writeLines(filepath.Join(dir, "vault-objects.jsonl"), contents.VaultObjects),
		writeLines(filepath.Join(dir, "dangling.jsonl"), contents.Dangling),
	)
}

func writeLines[T any](file string, all []T) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(f)
	encoder := json.NewEncoder(buffered)
	encoder.SetEscapeHTML(false)
	for _, one := range all {
		if err := encoder.Encode(one); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return errors.Join(buffered.Flush(), f.Close())
}

func (l *Lab) stampDir() string { return filepath.Join(l.dir, "stamp") }

// stampEnv are the variables that tell of the stamp.
func (l *Lab) stampEnv() map[string]string {
	return map[string]string{
		"LAB_ARM_URL":         l.stamp.TenantURL(),
		"LAB_ADMIN_ARM_URL":   l.stamp.AdminURL(),
		"LAB_ARM_AUTHORITY":   l.stamp.AuthorityURL(),
		"LAB_ARM_RESOLVER":    l.stamp.Resolver(),
		"LAB_ARM_CLIENT_ID":   l.stamp.ClientID(),
		"LAB_ARM_CA":          filepath.Join(l.stampDir(), "ca.pem"),
		"LAB_ARM_SECRET_FILE": filepath.Join(l.stampDir(), "secret"),
		"LAB_ARM_CONTENTS":    l.stampDir(),
	}
}

// principals are SIDs of users and groups of the lab's own, in a fixed order.
func (d *domain) principals(ctx context.Context) ([]string, error) {
	out, err := run(ctx, "", "ldbsearch", "-H", filepath.Join(d.dir, "private", "sam.ldb"), "-b", "OU=Cloud,"+domainBase,
		"(|(objectClass=user)(objectClass=group))", "objectSid")
	if err != nil {
		return nil, err
	}
	var sids []string
	for line := range strings.Lines(out) {
		if sid, ok := strings.CutPrefix(strings.TrimSpace(line), "objectSid: "); ok {
			sids = append(sids, sid)
		}
	}
	if len(sids) == 0 {
		return nil, errors.New("the directory has no users or groups with a SID")
	}
	slices.Sort(sids)
	return sids[:min(len(sids), maxPrincipals)], nil
}

// readIssuer reads certificate and key of the lab's CA.
func readIssuer(dir string) (*inventory.Issuer, error) {
	der := func(name string) ([]byte, error) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		block, _ := pem.Decode(data)
		if block == nil {
			return nil, fmt.Errorf("%s of the lab's CA is not PEM", name)
		}
		return block.Bytes, nil
	}
	certificate, err := der("cacert.pem")
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(certificate)
	if err != nil {
		return nil, err
	}
	keyBytes, err := der(filepath.Join("private", "cakey.pem"))
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(keyBytes)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the key of the lab's CA cannot sign")
	}
	return &inventory.Issuer{Certificate: parsed, Key: signer}, nil
}
