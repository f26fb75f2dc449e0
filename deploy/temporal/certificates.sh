#!/bin/bash
# Makes the certificates of a Temporal cluster with openssl, in the folder it is called in.
#
#   certificates.sh cluster HOST          two authorities, and what server and PostgreSQL need
#   certificates.sh client NAME [DAYS]    a client's certificate, for 365 days: NAME.pem and NAME.key
#
# HOST is the name that workers and people know the frontend by. Where a company has an authority of its
# own, it signs these in place of the two here; what matters is that clients have another one than the
# cluster. The keys of the authorities (*-ca.key) are needed again for the next certificate only: keep
# them elsewhere. Nothing that exists is replaced.
set -euo pipefail
umask 077

authority() { # NAME
	[ ! -e "$1.key" ] || { echo "certificates.sh: $1.key exists" >&2; exit 1; }
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$1" \
		-addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign \
		-keyout "$1.key" -out "$1.pem" 2>/dev/null
}

issue() { # AUTHORITY NAME COMMON-NAME DAYS EXTENSIONS...
	local authority=$1 name=$2 common=$3 days=$4
	shift 4
	[ ! -e "$name.key" ] || { echo "certificates.sh: $name.key exists" >&2; exit 1; }
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$common" -keyout "$name.key" -out "$name.csr" 2>/dev/null
	printf '%s\n' keyUsage=critical,digitalSignature basicConstraints=critical,CA:FALSE "$@" >"$name.ext"
	openssl x509 -req -in "$name.csr" -CA "$authority.pem" -CAkey "$authority.key" -set_serial "0x$(openssl rand -hex 16)" \
		-days "$days" -extfile "$name.ext" -out "$name.pem" 2>/dev/null
	rm "$name.csr" "$name.ext"
}

case "${1:-} $#" in
"cluster 2")
	authority cluster-ca
	authority client-ca
	issue cluster-ca frontend "$2" 365 "subjectAltName=DNS:$2" extendedKeyUsage=serverAuth
	issue cluster-ca internode internode 365 subjectAltName=DNS:internode extendedKeyUsage=serverAuth,clientAuth
	issue cluster-ca postgres postgres 365 subjectAltName=DNS:localhost,IP:127.0.0.1 extendedKeyUsage=serverAuth
	issue cluster-ca database temporal 365 extendedKeyUsage=clientAuth # PostgreSQL's user
	;;
"client 2" | "client 3")
	issue client-ca "$2" "$2" "${3:-365}" extendedKeyUsage=clientAuth
	;;
*)
	sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
	exit 2
	;;
esac
