package secret

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"unicode/utf8"
	"unique"
)

// Redacted stands where a secret would have been printed.
const Redacted = "[redacted]"

// String is a secret text. The zero value is an absent secret. Equal secrets are
// equal with ==.
type String struct {
	// The value is behind a pointer, because fmt calls no method of a field that is
	// not exported: it would print a plain string there, and prints only an address
	// for a pointer.
	value unique.Handle[string]
}

// New makes a secret of value.
func New(value string) String {
	if value == "" {
		return String{}
	}
	return String{value: unique.Make(value)}
}

// Reveal returns the value. Callers pass it on at once and never store it.
func (s String) Reveal() string {
	if s.IsZero() {
		return ""
	}
	return s.value.Value()
}

// IsZero reports whether there is no secret.
func (s String) IsZero() bool { return s == String{} }

// String implements [fmt.Stringer] without telling anything, not even the length.
func (s String) String() string { return Redacted }

// GoString implements [fmt.GoStringer].
func (s String) GoString() string { return Redacted }

// Format implements [fmt.Formatter], so that no verb reaches the field.
func (s String) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(Redacted)) }

// LogValue implements [slog.LogValuer].
func (s String) LogValue() slog.Value { return slog.StringValue(Redacted) }

var errMarshal = errors.New("secret: a secret is not marshalled; use secret.Transfer inside an encrypted payload")

// MarshalJSON always fails.
func (s String) MarshalJSON() ([]byte, error) { return nil, errMarshal }

// MarshalText always fails.
func (s String) MarshalText() ([]byte, error) { return nil, errMarshal }

// Transfer is a secret that may be marshalled to JSON because the bytes are
// encrypted before they leave the process. It prints like [String].
type Transfer struct{ String }

// NewTransfer makes a transferable secret of s.
func NewTransfer(s String) Transfer { return Transfer{String: s} }

// MarshalJSON reveals the value. It refuses a value that is not UTF-8, because
// JSON would replace the odd bytes and so change the secret in silence.
func (t Transfer) MarshalJSON() ([]byte, error) {
	value := t.Reveal()
	if !utf8.ValidString(value) {
		return nil, errors.New("secret: the value is not UTF-8")
	}
	return json.Marshal(value)
}

// UnmarshalJSON takes the value from a JSON string.
func (t *Transfer) UnmarshalJSON(data []byte) error {
	var value string
	if err := json.Unmarshal(data, &value); err != nil {
		return errors.New("secret: want a JSON string")
	}
	t.String = New(value)
	return nil
}
