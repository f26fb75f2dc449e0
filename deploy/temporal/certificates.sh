#!/bin/bash
# Makes the certificates of a Temporal cluster with openssl, in the folder it is called in.
#
#   certificates.sh cluster HOST          two authorities, and what server and PostgreSQL need
#   certificates.sh client NAME [DAYS]    a client's certificate, for 365 days: NAME.pem and NAME.key
#   certificates.sh renew NAME [DAYS]     another certificate in place of NAME.pem, for the same key
#
# HOST is the name that workers and people know the frontend by. Where a company has an authority of its
# own, it signs these in place of the two here; what matters is that clients have another one than the
# cluster. The keys of the authorities (*-ca.key) are needed again for the next certificate only: keep
# them elsewhere, and bring the one that it takes back for that time. Renew needs NAME.key as well, and
# neither changes nor moves it. Nothing that exists is replaced, but NAME.pem by renew.
set -euo pipefail
umask 077
trap 'rm -f -- *.csr.tmp *.ext.tmp *.pem.tmp *.key.tmp' EXIT

stop() { echo "certificates.sh: $1" >&2; exit 1; }
free() { # NAME
	[ ! -e "$1.key" ] || stop "$1.key exists"
	[ ! -e "$1.pem" ] || stop "$1.pem exists"
}
there() { [ -e "$1" ] || stop "$1 is not here"; }

# quietly shows what a command says when it fails.
quietly() {
	local said
	said=$("$@" 2>&1) || stop "$1 $2: $said"
}

authority() { # NAME
	quietly openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$1" \
		-addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign \
		-keyout "$1.key.tmp" -out "$1.pem.tmp"
	mv "$1.key.tmp" "$1.key"
	mv "$1.pem.tmp" "$1.pem"
}

sign() { # AUTHORITY NAME DAYS OPTIONS..., of NAME.csr.tmp
	local authority=$1 name=$2 days=$3
	shift 3
	quietly openssl x509 -req -in "$name.csr.tmp" -CA "$authority.pem" -CAkey "$authority.key" -set_serial "0x$(openssl rand -hex 16)" \
		-days "$days" -out "$name.pem.tmp" "$@"
}

issue() { # AUTHORITY NAME COMMON-NAME DAYS EXTENSIONS...
	local authority=$1 name=$2 common=$3 days=$4
	shift 4
	quietly openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$common" -keyout "$name.key.tmp" -out "$name.csr.tmp"
	printf '%s\n' keyUsage=critical,digitalSignature basicConstraints=critical,CA:FALSE "$@" >"$name.ext.tmp"
	sign "$authority" "$name" "$days" -extfile "$name.ext.tmp"
	mv "$name.key.tmp" "$name.key"
	mv "$name.pem.tmp" "$name.pem"
}

# renew takes name, use and key over from the certificate that there is.
renew() { # NAME DAYS
	local name=$1 days=$2 authority
	there "$name.pem"
	there "$name.key"
	authority=$(openssl x509 -in "$name.pem" -noout -issuer -nameopt RFC2253)
	authority=${authority#issuer=CN=}
	case "$authority" in
	"$name") stop "$name.pem is an authority, which nothing that exists would trust again" ;;
	cluster-ca | client-ca) ;;
	*) stop "$name.pem is not of an authority that was made here, but of $authority" ;;
	esac
	there "$authority.pem"
	there "$authority.key"
	quietly openssl x509 -in "$name.pem" -x509toreq -copy_extensions copyall -signkey "$name.key" -out "$name.csr.tmp"
	sign "$authority" "$name" "$days" -copy_extensions copyall
	quietly openssl verify -partial_chain -trusted "$authority.pem" "$name.pem.tmp"
	chmod --reference="$name.pem" "$name.pem.tmp"
	mv "$name.pem.tmp" "$name.pem"
}

case "${1:-} $#" in
"cluster 2")
	for name in cluster-ca client-ca frontend internode postgres database; do free "$name"; done
	authority cluster-ca
	authority client-ca
	issue cluster-ca frontend "$2" 365 "subjectAltName=DNS:$2" extendedKeyUsage=serverAuth
	issue cluster-ca internode internode 365 subjectAltName=DNS:internode extendedKeyUsage=serverAuth,clientAuth
	issue cluster-ca postgres postgres 365 subjectAltName=DNS:localhost,IP:127.0.0.1 extendedKeyUsage=serverAuth
	issue cluster-ca database temporal 365 extendedKeyUsage=clientAuth # PostgreSQL's user
	;;
"client 2" | "client 3")
	free "$2"
	there client-ca.pem
	there client-ca.key
	issue client-ca "$2" "$2" "${3:-365}" extendedKeyUsage=clientAuth
	;;
"renew 2" | "renew 3")
	renew "$2" "${3:-365}"
	;;
*)
	sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
	exit 2
	;;
esac
