package inventory

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Words of names and tags. Unicode stands in tags only: ARM's names are ASCII.
var (
	words      = []string{"web", "app", "data", "mail", "Build", "edge", "Payroll", "billing", "ops", "LAB", "sql", "cache", "Front", "batch", "hr"}
	tagKeys    = []string{"env", "owner", "CostCenter", "project", "Größe", "部門", "note"}
	tagValues  = []string{"prod", "test", "R&D", "a<b>c", "東京", "naïve café", "Ünïcödé ✓", "\"quoted\"\\", "", "4711", "tab\tand\nnewline", "\u2028sep", "emoji 🙂"}
	principals = []string{"payroll", "ops", "audit", "backup"}
)

// guid is a random version 4 GUID.
func (b *builder) guid() string {
	var v [16]byte
	b.fill(v[:])
	v[6], v[8] = v[6]&0x0f|0x40, v[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", v[:4], v[4:6], v[6:8], v[8:10], v[10:])
}

// hex32 is the form of a vault object's version.
func (b *builder) hex32() string {
	var v [16]byte
	b.fill(v[:])
	return hex.EncodeToString(v[:])
}

func (b *builder) fill(p []byte) {
	for i := range p {
		p[i] = byte(b.r.Uint32())
	}
}

// name is a new name that no other resource of the stamp has, whatever its case.
func (b *builder) name(prefix string) string {
	b.seq++
	return prefix + "-" + pick(b, words) + "-" + strconv.FormatInt(int64(b.seq), 36)
}

// plain is a new name of lower-case letters and digits, as storage accounts need.
func (b *builder) plain(prefix string) string {
	b.seq++
	return prefix + strings.ToLower(pick(b, words)) + strconv.FormatInt(int64(b.seq), 36)
}

// etag is a weak entity tag as the network provider gives them.
func (b *builder) etag() string { return `W/"` + b.guid() + `"` }

// secret is a new secret value. Its prefix is its own, so that a search for it
// cannot hit anything else.
func (b *builder) secret() string {
	var v [15]byte
	b.fill(v[:])
	return "Canary!" + hex.EncodeToString(v[:])
}

// tags are up to three tags; nil for about half of all resources.
func (b *builder) tags() map[string]string {
	if b.r.IntN(2) == 0 {
		return nil
	}
	t := map[string]string{}
	for range 1 + b.r.IntN(3) {
		t[pick(b, tagKeys)] = pick(b, tagValues)
	}
	return t
}

// between is a random number from low to high, both included.
func (b *builder) between(low, high int) int { return low + b.r.IntN(high-low+1) }

// chance is true once in n times.
func (b *builder) chance(n int) bool { return b.r.IntN(n) == 0 }

// ago is a random time within the last days.
func (b *builder) ago(days int) time.Time {
	return b.o.Now.Add(-time.Duration(b.r.Int64N(int64(days) * int64(24*time.Hour))))
}

// stamp7 writes a time with seven digits after the second, as most services do.
func stamp7(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }

func pick[T any](b *builder, of []T) T { return of[b.r.IntN(len(of))] }

// directory sets the principals.
func (b *builder) directory() {
	b.directoryT, b.provider = b.guid(), b.guid()
	b.s.TenantID, b.s.ProviderSubscription = b.directoryT, b.provider
	b.principals = b.o.Principals
	if len(b.principals) > 0 {
		return
	}
	domain := b.sidDomain()
	for i := range 12 + min(b.o.Resources/100, 200) {
		b.principals = append(b.principals, fmt.Sprintf("%s-%d", domain, 1104+i))
	}
}

func (b *builder) sidDomain() string {
	return fmt.Sprintf("S-1-5-21-%d-%d-%d", b.r.Uint32(), b.r.Uint32(), b.r.Uint32())
}
