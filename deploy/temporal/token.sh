#!/bin/bash
# Makes tokens for a Temporal cluster with openssl, in the folder it is called in. Where there is an
# identity provider, it issues them instead.
#
#   token.sh key                           the key that signs: token.key, and keys/jwks.json for the server
#   token.sh NAME PERMISSION [SECONDS]     prints a token that is valid for 30 days
#
# PERMISSION is NAMESPACE:read, NAMESPACE:write, or temporal-system:admin for everything. The server
# cannot take a token back before it ends, other than all of them at once with a new key: choose how
# long it is valid with that in mind. The holder of token.key can act as anyone: keep it elsewhere.
set -euo pipefail
umask 077

base64url() { basenc --base64url --wrap=0 | tr -d =; }

case "$#" in
1)
	[ "$1" = key ] && [ ! -e token.key ] || { echo "token.sh: token.key exists" >&2; exit 1; }
	openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out token.key 2>/dev/null
	mkdir -p keys
	modulus=$(openssl rsa -in token.key -noout -modulus | cut -d= -f2 | basenc --base16 --decode | base64url)
	# The exponent of openssl's keys is 65537, which is AQAB.
	printf '{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"infrabackup-1","n":"%s","e":"AQAB"}]}\n' "$modulus" >keys/jwks.json
	chmod 0755 keys
	chmod 0644 keys/jwks.json
	;;
2 | 3)
	header=$(printf '{"alg":"RS256","typ":"JWT","kid":"infrabackup-1"}' | base64url)
	now=$(date +%s)
	claims=$(printf '{"sub":"%s","aud":"infrabackup-temporal","iat":%d,"exp":%d,"permissions":["%s"]}' "$1" "$now" $((now + ${3:-2592000})) "$2" | base64url)
	signature=$(printf '%s.%s' "$header" "$claims" | openssl dgst -sha256 -sign token.key | base64url)
	printf '%s.%s.%s\n' "$header" "$claims" "$signature"
	;;
*)
	sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
	exit 2
	;;
esac
