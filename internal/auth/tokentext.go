package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"math/big"
	"regexp"
	"strings"
)

// An API token is ibk_ID_SECRETCHECKSUM, so that scanners of source code find it and tell
// it from an example.
const (
	tokenPrefix   = "ibk_"
	idChars       = 8
	secretBytes   = 32
	secretChars   = 43 // 62^43 > 2^256
	checksumChars = 6  // 62^6 > 2^32
	tokenChars    = len(tokenPrefix) + idChars + 1 + secretChars + checksumChars

	base62   = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	idLetter = "23456789abcdefghjkmnpqrstuvwxyz" // what people do not mix up when they read it out
)

// encode62 writes a number with as many characters as are wanted, which hold it.
func encode62(data []byte, chars int) string {
	out := make([]byte, chars)
	n, base, digit := new(big.Int).SetBytes(data), big.NewInt(int64(len(base62))), new(big.Int)
	for i := chars - 1; i >= 0; i-- {
		n.DivMod(n, base, digit)
		out[i] = base62[digit.Int64()]
	}
	return string(out)
}

// checksum is over everything that stands before it.
func checksum(text string) string {
	sum := crc32.ChecksumIEEE([]byte(text))
	return encode62([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}, checksumChars)
}

// newTokenText makes the id and the text of a token.
func newTokenText(random io.Reader) (id, text string, err error) {
	letters := make([]byte, idChars)
	for i := range letters {
		n, err := rand.Int(random, big.NewInt(int64(len(idLetter))))
		if err != nil {
			return "", "", fmt.Errorf("read randomness: %w", err)
		}
		letters[i] = idLetter[n.Int64()]
	}
	data := make([]byte, secretBytes)
	if _, err := io.ReadFull(random, data); err != nil {
		return "", "", fmt.Errorf("read randomness: %w", err)
	}
	text = tokenPrefix + string(letters) + "_" + encode62(data, secretChars)
	return string(letters), text + checksum(text), nil
}

// tokenID returns the id of a text that has the form of a token.
func tokenID(text string) (string, bool) {
	if len(text) != tokenChars || !strings.HasPrefix(text, tokenPrefix) {
		return "", false
	}
	id, rest, found := strings.Cut(text[len(tokenPrefix):], "_")
	body := text[:tokenChars-checksumChars]
	if !found || !validID(id) || strings.Trim(rest, base62) != "" || checksum(body) != text[len(body):] {
		return "", false
	}
	return id, true
}

// tokenLike is an API token, or most of one, wherever it stands.
var tokenLike = regexp.MustCompile(`(?i)ibk_[0-9a-z]+_[0-9a-z_]+`)

// HideTokens takes API tokens out of a text that is to be logged, such as an address that a caller
// has put one into.
func HideTokens(text string) string {
	return tokenLike.ReplaceAllLiteralString(text, tokenPrefix+"…")
}

// validID reports whether a text is an id as tokens have it.
func validID(id string) bool { return len(id) == idChars && strings.Trim(id, idLetter) == "" }

// hashOf is what is stored of a token. It needs no slow hash: nothing of 256 random bits
// can be guessed.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
