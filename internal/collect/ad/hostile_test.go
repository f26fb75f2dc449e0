package ad

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"net"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/fault"
	"infrabackup/tests/tier"
)

// hostileAnswers are operations that cost a parser dearly that believes them. The tag
// is that of the answer that is waited for.
func hostileAnswers(tag byte) map[string]func() []byte {
	many := func() []byte { return bytes.Repeat([]byte{tagOctets, 0}, 14_000_000) }
	attributes := func(values []byte) []byte {
		return wrap(tagSequence, wrap(tagSequence, append(wrap(tagOctets, []byte("member")), wrap(tagSet, values)...)))
	}
	return map[string]func() []byte{
		"14,000,000 empty elements": func() []byte { return wrap(tag, many()) },
		"14,000,000 empty values":   func() []byte { return wrap(tag, append(wrap(tagOctets, []byte("CN=x")), attributes(many())...)) },
		"14,000,000 empty attributes": func() []byte {
			return wrap(tag, append(wrap(tagOctets, []byte("CN=x")), wrap(tagSequence, bytes.Repeat([]byte{tagSequence, 0}, 14_000_000))...))
		},
		"1,000,000 attributes": func() []byte {
			return wrap(tag, append(wrap(tagOctets, []byte("CN=x")), wrap(tagSequence, bytes.Repeat([]byte{tagSequence, 5, tagOctets, 1, 'x', tagSet, 0}, 1_000_000))...))
		},
		"1,000,000 levels": func() []byte { return wrap(tag, nested(1_000_000)) },
		"1,000,000 levels of values": func() []byte {
			return wrap(tag, append(wrap(tagOctets, []byte("CN=x")), attributes(nested(1_000_000))...))
		},
		"indefinite length":                     func() []byte { return []byte{tag, 0x80, tagOctets, 0, 0, 0} },
		"1,000,000 levels of indefinite length": func() []byte { return bytes.Repeat([]byte{tag, 0x80}, 1_000_000) },
		"a length of 2^63":                      func() []byte { return []byte{tag, 0x88, 0x80, 0, 0, 0, 0, 0, 0, 0} },
		"a length of 2^64-1":                    func() []byte { return []byte{tag, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff} },
		"a length in 126 bytes":                 func() []byte { return append([]byte{tag, 0xfe}, make([]byte, 126)...) },
		"an identifier in many bytes":           func() []byte { return append([]byte{0x7f}, bytes.Repeat([]byte{0xff}, 1000)...) },
		"nothing":                               func() []byte { return []byte{} },
		"an integer of 1,000 bytes": func() []byte {
			return wrap(tag, append(wrap(tagEnumerated, make([]byte, 1000)), tagOctets, 0, tagOctets, 0))
		},
		"a text of 20 MiB": func() []byte {
			return wrap(tag, append([]byte{tagEnumerated, 1, 1, tagOctets, 0}, wrap(tagOctets, make([]byte, 20<<20))...))
		},
		"20 MiB of referrals": func() []byte {
			return wrap(tag, append([]byte{tagEnumerated, 1, 10, tagOctets, 0, tagOctets, 0}, wrap(0xa3, bytes.Repeat(wrap(tagOctets, []byte("ldap://x")), 1_500_000))...))
		},
		"controls of 1,000,000 levels": func() []byte {
			return append(wrap(tag, []byte{tagEnumerated, 1, 0, tagOctets, 0, tagOctets, 0}), wrap(tagControls, nested(1_000_000))...)
		},
		"a paging control of 1,000,000 levels": func() []byte {
			return append(wrap(tag, []byte{tagEnumerated, 1, 0, tagOctets, 0, tagOctets, 0}), wrap(tagControls, wrap(tagSequence, append(wrap(tagOctets, []byte(oidPaging)), wrap(tagOctets, nested(1_000_000))...)))...)
		},
		"a cookie of 10 MiB": func() []byte {
			return append(wrap(tag, []byte{tagEnumerated, 1, 0, tagOctets, 0, tagOctets, 0}), wrap(tagControls, wrap(tagSequence, append(wrap(tagOctets, []byte(oidPaging)), wrap(tagOctets, wrap(tagSequence, append([]byte{tagInteger, 1, 0}, wrap(tagOctets, make([]byte, 10<<20))...)))...)))...)
		},
	}
}

// TestHostileAnswersCostNeitherMemoryNorDepth sends them to a login and to searches.
// The bound is the garbage collector's: what is reachable has to fit below it.
func TestHostileAnswersCostNeitherMemoryNorDepth(t *testing.T) {
	tier.Weighs(t)
	const bound = 100 << 20
	places := []struct {
		name string
		tag  byte
	}{{"login", tagBindAnswer}, {"object", tagEntry}, {"end of a search", tagSearchDone}, {"reference", tagReference}, {"extended", tagExtended}}
	// Each answer costs seconds of garbage collection: the soak sends every one to every place,
	// otherwise each is sent to one place, and each place gets a share of them, by a seed.
	whole := tier.Soak()
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	turn := rand.New(rand.NewPCG(uint64(seed), 0)).IntN(len(places))
	for place, at := range places {
		answers := hostileAnswers(at.tag)
		for i, name := range slices.Sorted(maps.Keys(answers)) {
			if !whole && (i+turn)%len(places) != place {
				continue
			}
			make := answers[name]
			t.Run(at.name+"/"+name, func(t *testing.T) {
				op := make()
				d := newFakeDC(t)
				config := d.config()
				if at.tag == tagBindAnswer {
					d.onBind = func(conn net.Conn, id int64) error {
						_, err := conn.Write(numbered(id, op))
						return err
					}
				} else {
					d.onSearch = func(q *fakeQuery) (bool, error) {
						if q.base != fakeDomain {
							return false, nil
						}
						_, err := q.conn.Write(numbered(q.id, op))
						return true, err
					}
				}
				c, err := New(config)
				require.NoError(t, err)
				peak := watchHeap()
				began := time.Now()
				_, err = c.Collect(t.Context(), &collecttest.Recorder{})
				require.Error(t, err)
				f, ok := fault.Of(err)
				require.True(t, ok, "%v", err)
				require.Contains(t, []fault.Code{fault.SourceInvalid, fault.SourceIncomplete}, f.Code, "%v", err)
				require.Less(t, len(err.Error()), 2000)
				require.Less(t, time.Since(began), config.StallTimeout, "it was not waited for")
				// The answer itself and what the server holds of it are in this process too.
				require.Less(t, peak(), uint64(bound+3*len(op)))
			})
		}
	}
}

// watchHeap returns a function that tells the largest heap since.
func watchHeap() func() uint64 {
	debug.FreeOSMemory()
	old := debug.SetGCPercent(20)
	stop, done := make(chan struct{}), make(chan struct{})
	var peak uint64
	go func() {
		defer close(done)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	return func() uint64 {
		close(stop)
		<-done
		debug.SetGCPercent(old)
		return peak
	}
}

// TestTheLargestObjectThatIsTakenIsTaken shows that the limits leave room for a group
// as large as a message, and what it costs.
func TestTheLargestObjectThatIsTakenIsTaken(t *testing.T) {
	tier.Weighs(t)
	d := newFakeDC(t)
	values := make([]string, 0, 200_000)
	for i := range cap(values) {
		values = append(values, extended(i%200, strings.Repeat("x", 20)+fakeDomain))
	}
	whole := entry(extended(200, "CN=large,"+fakeDomain), [][2]any{
		{"objectGUID", []string{string(fakeGUID(200))}}, {"uSNChanged", []string{"1"}}, {"nTSecurityDescriptor", []string{"x"}},
		{"objectClass", []string{"top", "group"}}, {"member", values},
	}).Bytes()
	require.Greater(t, len(whole), 18<<20)
	sent := false
	d.onSearch = func(q *fakeQuery) (bool, error) {
		if q.base != fakeDomain || sent {
			return false, nil
		}
		sent = true
		_, err := q.conn.Write(numbered(q.id, whole))
		return false, err
	}
	peak := watchHeap()
	sink := &forgetful{}
	_, err := d.collector(t).Collect(t.Context(), sink)
	require.NoError(t, err)
	require.Positive(t, sink.count)
	got := peak()
	t.Logf("a message of %d MiB: a heap of at most %d MiB", len(whole)>>20, got>>20)
	require.Less(t, got, uint64(256<<20))
}

// TestAnswersThatAreNoAnswers are messages that are well-formed and not to be
// expected.
func TestAnswersThatAreNoAnswers(t *testing.T) {
	done := result(ldap.ApplicationSearchResultDone, 0).Bytes()
	for name, row := range map[string]struct {
		message func(id int64) []byte
		want    string
	}{
		"another number":          {func(id int64) []byte { return numbered(id+1, done) }, "number"},
		"an earlier number":       {func(int64) []byte { return numbered(1, done) }, "number"},
		"notice of disconnection": {func(int64) []byte { return numbered(0, result(ldap.ApplicationExtendedResponse, 52).Bytes()) }, "ends the connection"},
		"answer to a login":       {func(id int64) []byte { return numbered(id, result(ldap.ApplicationBindResponse, 0).Bytes()) }, "0x61"},
		"an intermediate answer":  {func(id int64) []byte { return numbered(id, wrap(0x79, nil)) }, "0x79"},
		"something behind it":     {func(id int64) []byte { return numbered(id, append(done, tagOctets, 0)) }, "0x04"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newFakeDC(t)
			d.onSearch = func(q *fakeQuery) (bool, error) {
				if q.base != fakeDomain {
					return false, nil
				}
				_, err := q.conn.Write(row.message(q.id))
				return true, err
			}
			_, err := d.collector(t).Collect(t.Context(), &collecttest.Recorder{})
			require.ErrorIs(t, err, fault.SourceIncomplete)
			require.ErrorContains(t, err, row.want)
		})
	}
}
