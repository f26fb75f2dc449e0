package lab

import (
	"context"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const authorityConfig = `[ca]
default_ca = lab
[lab]
dir = DIR
database = $dir/index.txt
new_certs_dir = $dir/newcerts
certificate = $dir/cacert.pem
private_key = $dir/private/cakey.pem
serial = $dir/serial
crlnumber = $dir/crlnumber
crl = $dir/crl.pem
default_md = sha256
default_days = 365
default_crl_days = 30
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
organizationName = optional
[req]
distinguished_name = name
prompt = no
x509_extensions = root
[name]
CN = Lab CA
O = infrabackup lab
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
`

// newAuthority makes a CA folder in OpenSSL's layout, with issued, revoked and
// expired certificates and a CRL, and returns the CA certificate in DER.
func newAuthority(ctx context.Context, dir string) ([]byte, error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	for _, sub := range []string{"private", "newcerts", "crl", "requests"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	for name, text := range map[string]string{
		"index.txt": "", "index.txt.attr": "unique_subject = no\n", "serial": "1000\n", "crlnumber": "01\n",
		"openssl.cnf": strings.ReplaceAll(authorityConfig, "DIR", dir),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	// One shell for the many short commands. Dates stand for themselves: an expired
	// certificate was valid for two days in 2020.
	script := `set -eu
cd "$1"
openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -config openssl.cnf -keyout private/cakey.pem -out cacert.pem 2>/dev/null
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out private/leaf.pem 2>/dev/null
issue() { # name, further arguments
  name=$1; shift
  openssl req -new -key private/leaf.pem -subj "/CN=$name/O=infrabackup lab" -out "requests/$name.csr" 2>/dev/null
  openssl ca -batch -notext -config openssl.cnf -in "requests/$name.csr" "$@" 2>/dev/null >/dev/null
}
for n in 01 02 03 04 05 06 07 08 09 10 11 12; do issue "host$n.lab.test"; done
for n in 1 2 3; do issue "expired$n.lab.test" -startdate 200101000000Z -enddate 200103000000Z; done
revoke() { openssl ca -config openssl.cnf -revoke "newcerts/$1.pem" -crl_reason "$2" 2>/dev/null; }
revoke 1001 keyCompromise
revoke 1003 superseded
revoke 1005 cessationOfOperation
openssl ca -config openssl.cnf -updatedb 2>/dev/null
openssl ca -config openssl.cnf -gencrl -out crl.pem 2>/dev/null
`
	if _, err := run(ctx, "", "bash", "-c", script, "authority", dir); err != nil {
		return nil, fmt.Errorf("make the lab's CA: %w", err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "cacert.pem"))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("the lab's CA certificate is not PEM")
	}
	return block.Bytes, nil
}
