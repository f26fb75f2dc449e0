package inventory

import (
	"encoding/json"
	"strings"
	"time"
)

type attributes struct {
	Enabled       bool   `json:"enabled"`
	NotBefore     *int64 `json:"nbf,omitempty"`
	Expires       *int64 `json:"exp,omitempty"`
	Created       int64  `json:"created"`
	Updated       int64  `json:"updated"`
	RecoveryLevel string `json:"recoveryLevel,omitempty"`
}

type keyBundle struct {
	Key        jwk               `json:"key"`
	Attributes attributes        `json:"attributes"`
	Tags       map[string]string `json:"tags,omitempty"`
	Managed    bool              `json:"managed,omitempty"`
}

type secretBundle struct {
	Value       string            `json:"value"`
	ContentType string            `json:"contentType,omitempty"`
	ID          string            `json:"id"`
	KID         string            `json:"kid,omitempty"`
	Attributes  attributes        `json:"attributes"`
	Tags        map[string]string `json:"tags,omitempty"`
	Managed     bool              `json:"managed,omitempty"`
}

// contents fills a vault with keys, secrets and certificates.
func (b *builder) contents(v *vault) {
	if b.keys.err != nil {
		b.err = b.keys.err
		return
	}
	for range b.between(1, 3) {
		b.key(v)
	}
	for i := range b.between(4, 6) {
		b.secretOf(v, i)
	}
	for i := range b.between(2, 4) {
		issuer := b.o.Issuer
		if i%2 == 0 {
			issuer = nil
		}
		b.certificate(v, issuer, b.between(1, 2), i == 0 || i > 1 && b.chance(2))
	}
}

// attributes are those of a version. odd picks one of the cases in which a version
// cannot be read: 1 disabled, 2 expired, 3 not yet valid.
func (b *builder) attributes(odd int) attributes {
	created := b.ago(700)
	a := attributes{Enabled: odd != 1, Created: created.Unix(), Updated: created.Add(time.Duration(b.r.IntN(3600)) * time.Second).Unix(), RecoveryLevel: "Purgeable"}
	hours := func(n int) *int64 {
		at := b.o.Now.Add(time.Duration(n) * time.Hour).Unix()
		return &at
	}
	switch odd {
	case 2:
		a.Expires = hours(-b.between(1, 900))
	case 3:
		a.NotBefore = hours(b.between(24, 9000))
	default:
		if b.chance(3) {
			a.Expires = hours(b.between(1000, 90000))
		}
	}
	return a
}

func (b *builder) version(version string, body any, a attributes) VaultVersion {
	v := VaultVersion{Version: version, Body: b.encode(body), Enabled: a.Enabled}
	if a.Expires != nil {
		v.Expires = *a.Expires
	}
	if a.NotBefore != nil {
		v.NotBefore = *a.NotBefore
	}
	return v
}

// key makes a key with one to three versions.
func (b *builder) key(v *vault) {
	o := VaultObject{Vault: v.name, Kind: "keys", Name: b.name("key")}
	for range b.between(1, 3) {
		version := b.hex32()
		a := b.attributes(0)
		if b.chance(6) {
			a = b.attributes(1)
		}
		j := pick(b, b.keys.pool).jwk
		j.KID = v.uri + "keys/" + o.Name + "/" + version
		o.Versions = append(o.Versions, b.version(version, keyBundle{Key: j, Attributes: a, Tags: b.tags()}, a))
	}
	b.s.VaultObjects = append(b.s.VaultObjects, o)
}

// secretOf makes a secret. The first of a vault can be read in every version, the
// next ones have a last version that is disabled, expired or not yet valid.
func (b *builder) secretOf(v *vault, i int) {
	o := VaultObject{Vault: v.name, Kind: "secrets", Name: b.name("secret")}
	n := b.between(1, 4)
	for j := range n {
		odd := 0
		if j == n-1 && i < 4 {
			odd = i
		}
		version := b.hex32()
		a := b.attributes(odd)
		value := b.secret()
		switch i {
		case 4:
			value += "\nline two with ünïcödé\tand \"quotes\""
		case 5:
			value += strings.Repeat("x", 25_000-len(value)) // about as large as a vault takes
		}
		o.Versions = append(o.Versions, b.version(version, secretBundle{
			Value: value, ContentType: pick(b, []string{"", "text/plain", "password", "application/json; größe"}),
			ID: v.uri + "secrets/" + o.Name + "/" + version, Attributes: a, Tags: b.tags(),
		}, a))
		o.Versions[j].Exportable = true
		b.s.Canaries = append(b.s.Canaries, strings.TrimRight(strings.SplitN(value, "\n", 2)[0], "x"))
	}
	b.s.VaultObjects = append(b.s.VaultObjects, o)
}

// raw is a body that is there already.
type raw = json.RawMessage
