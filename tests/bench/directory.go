package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"infrabackup/activities"
	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/collect"
	"infrabackup/internal/collect/ad"
	"infrabackup/internal/privsep"
	"infrabackup/internal/secret"
	"infrabackup/internal/spool"
	"infrabackup/internal/telemetry"
)

// everyContext has OpenLDAP's tool read what the capture reads, with the same attributes
// and controls: owner, group and DACL of security descriptors, names with GUIDs and SIDs,
// and recycled objects (MS-ADTS 3.1.1.3.4.1). At says what ends the command for each naming context.
func everyContext(at string) string {
	search := `ldapsearch -x -LLL -o ldif-wrap=no -H "$LDAP_URL" -D "$LDAP_USER" -y "$LDAP_PASSWORD_FILE"`
	return search + ` -s base -b '' '(objectClass=*)' namingContexts | sed -n 's/^namingContexts: //p' > "$DIR/contexts"
while read -r context; do ` + search + ` -E pr=500/noprompt -E '!1.2.840.113556.1.4.801=::MAMCAQc=' -E '!1.2.840.113556.1.4.529=::MAMCAQE=' \
  -E '!1.2.840.113556.1.4.2064' -s sub -b "$context" '(objectClass=*)' '*' nTSecurityDescriptor > /dev/null ` + at + `
done < "$DIR/contexts"; wait`
}

// measureDirectory compares the capture of Active Directory, without group policy files,
// with reading the same objects.
func (b *bench) measureDirectory(ctx context.Context) error {
	dir := filepath.Join(b.dir, "directory")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	env := b.lab.Env()
	extra := []string{"DIR=" + dir, "LDAPTLS_CACERT=" + env["LAB_LDAP_CA"], "LDAPTLS_REQCERT=demand", "LDAPRC=/dev/null",
		"LDAP_URL=" + env["LAB_LDAP_URL"], "LDAP_USER=" + env["LAB_LDAP_USER"], "LDAP_PASSWORD_FILE=" + env["LAB_LDAP_PASSWORD_FILE"]}
	_, err := b.compare(ctx, "Capture of Active Directory", 0, []contender{
		{name: "capture of AD", run: func(ctx context.Context, n int) (figure, error) { return b.captureDirectory(ctx, n) }},
		b.shell("ldapsearch, one naming context after the other", "ldapsearch", everyContext("< /dev/null"), extra...).atMost(1.2),
		b.shell("ldapsearch, all naming contexts at once", "ldapsearch", everyContext("< /dev/null &"), extra...),
	})
	return err
}

// captureDirectory runs the activity that captures the directory.
func (b *bench) captureDirectory(ctx context.Context, n int) (f figure, err error) {
	env := b.lab.Env()
	ca, caErr := os.ReadFile(env["LAB_LDAP_CA"])
	password, passwordErr := os.ReadFile(env["LAB_LDAP_PASSWORD_FILE"])
	line, lineErr := codec.GenerateKeyLine("bench", rand.Reader)
	if err := errors.Join(caErr, passwordErr, lineErr); err != nil {
		return f, err
	}
	ring, err := codec.ParseKeyring([]byte(line))
	if err != nil {
		return f, err
	}
	collector, err := ad.New(ad.Config{
		URL: env["LAB_LDAP_URL"], CACertificates: ca, Username: env["LAB_LDAP_USER"], Password: secret.New(strings.TrimSpace(string(password))),
	})
	if err != nil {
		return f, err
	}
	dir := filepath.Join(b.dir, fmt.Sprint("directory-spool-", n))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return f, err
	}
	spooled, err := spool.Open(dir)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, spooled.Close(), os.RemoveAll(dir)) }()
	in, err := newBackup(ring)
	if err != nil {
		return f, err
	}
	acts := activities.New(activities.Dependencies{
		Host: "bench", Product: "bench", Collectors: []collect.Collector{collector}, Spool: spooled, Keyring: ring,
		Encrypter: privsep.NewEncrypter(filepath.Join(b.bin, "infrabackup-worker")), Recorder: telemetry.Discard(), Now: time.Now,
	})
	defer func() { err = errors.Join(err, acts.Close()) }()
	one, err := captureAll(ctx, acts, in, []backup.Service{backup.AD})
	if err == nil && one.Items == 0 {
		err = errors.New("the directory is empty")
	}
	return figure{wall: one.Wall}, err
}
