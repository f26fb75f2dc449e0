package support

import (
	"bytes"
	"regexp"
	"slices"
)

// removed stands where something was taken out.
const removed = "[removed]"

// block is what stands in a PEM block (RFC 7468, with the header lines of RFC 1421).
const block = `(?:[A-Za-z0-9+/=\s,:-]|\\[nr])`

// secrets are the forms of keys and tokens, of this product and of what it talks to.
var secrets = []struct {
	words []string // in lower case; where none of them stands, the form need not be looked for
	form  *regexp.Regexp
	with  string
}{
	{[]string{"age-secret-key-"}, regexp.MustCompile(`AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Za-z]+`), removed},
	// Line ends stand as \n in JSON. A block whose end is missing goes on as far as it can.
	{[]string{"private key-----"}, regexp.MustCompile(`-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?:` + block + `*?-----END [A-Z0-9 ]*PRIVATE KEY-----|` + block + `*)`), removed},
	{[]string{"bearer", "basic"}, regexp.MustCompile(`(?i)\b(bearer|basic) +[A-Za-z0-9._~+/=-]{8,}`), "$1 " + removed},
	// JSON Web Tokens: header and payload begin with {" in base64url (RFC 7519).
	{[]string{"eyj"}, regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`), removed},
	{[]string{"://"}, regexp.MustCompile(`(://[^\s/:@"']*:)[^\s/@"']+@`), "$1" + removed + "@"},
	// Also at the end of a longer name, as of a variable.
	{[]string{"pass", "secret", "key", "token", "pwd"}, regexp.MustCompile(`(?i)(password|pwd|passwd|passphrase|client[-_ ]?secret|api[-_ ]?key|access[-_ ]?token|refresh[-_ ]?token|account[-_ ]?key)(\\?"? *[:=] *)(?:"(?:[^"\\]|\\.)*"|\\"[^"\\]*\\"|'[^']*'|[^\s,;}"'\\]+)`), "$1$2" + removed},
}

// Redact takes out of a text what looks like a key, a token or a password. It is a second
// line: what the product writes has none of these. Texts of others may.
func Redact(text []byte) []byte {
	lower := bytes.ToLower(text)
	for _, s := range secrets {
		if !slices.ContainsFunc(s.words, func(word string) bool { return bytes.Contains(lower, []byte(word)) }) {
			continue
		}
		text = s.form.ReplaceAll(text, []byte(s.with))
	}
	return text
}
