package ad

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/directory"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

// contextsInOrder is how naming contexts are written.
var contextsInOrder = []string{fakeSchema, fakeConfig, fakeDomain}

// countedConn is a connection that is open until it is closed.
type countedConn struct {
	net.Conn
	open   *atomic.Int32
	closed sync.Once
}

func (c *countedConn) Close() error {
	c.closed.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

// countConnections makes a configuration tell how many connections are open.
func countConnections(config *Config) (open *atomic.Int32) {
	open = &atomic.Int32{}
	dial := config.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		open.Add(1)
		return &countedConn{Conn: conn, open: open}, nil
	}
	return open
}

// collectOnce captures, and makes sure that no connection is left.
func collectOnce(t *testing.T, ctx context.Context, config Config) (*collecttest.Recorder, error) {
	t.Helper()
	open := countConnections(&config)
	c, err := New(config)
	require.NoError(t, err)
	sink := &collecttest.Recorder{}
	_, err = c.Collect(ctx, sink)
	require.Zero(t, open.Load(), "connections are left")
	return sink, err
}

// requireOrder makes sure that naming contexts follow each other.
func requireOrder(t *testing.T, d *fakeDC, sink *collecttest.Recorder) {
	t.Helper()
	records := newest(t, sink)
	requireWhole(t, d, records)
	at := 0
	for _, call := range sink.Calls() {
		if call.Item.Kind != record.Kind {
			continue
		}
		for at < len(contextsInOrder) && records[call.Item.ID].NamingContext != contextsInOrder[at] {
			at++
		}
		require.Less(t, at, len(contextsInOrder), "%s comes too late", call.Item.Name)
	}
}

// TestNamingContextsTogether: no page is answered before all naming contexts were asked
// for one.
func TestNamingContextsTogether(t *testing.T) {
	d := newFakeDC(t)
	var all sync.WaitGroup
	all.Add(len(contextsInOrder))
	d.onSearch = func(q *fakeQuery) (bool, error) {
		if q.page == 0 {
			all.Done()
			all.Wait()
		}
		return false, nil
	}
	sink, err := collectOnce(t, t.Context(), d.config())
	require.NoError(t, err)
	require.Equal(t, int32(maxConnections), d.binds.Load())
	requireOrder(t, d, sink)
}

// TestOrderDoesNotDependOnSpeed lets one naming context after the other be the first
// that was read.
func TestOrderDoesNotDependOnSpeed(t *testing.T) {
	plain := newFakeDC(t)
	plain.maxValues = 3
	want, err := collectOnce(t, t.Context(), plain.config())
	require.NoError(t, err)
	for _, order := range [][]string{
		{fakeSchema, fakeConfig, fakeDomain}, {fakeConfig, fakeSchema, fakeDomain}, {fakeDomain, fakeConfig, fakeSchema}, {fakeConfig, fakeDomain, fakeSchema},
	} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			d := newFakeDC(t)
			d.maxValues = 3
			read := map[string]chan struct{}{}
			before := map[string]string{}
			for i, dn := range order {
				read[dn] = make(chan struct{})
				if i > 0 {
					before[dn] = order[i-1]
				}
			}
			d.onSearch = func(q *fakeQuery) (bool, error) {
				if other := read[before[q.base]]; q.page == 0 && other != nil {
					<-other
				}
				return false, nil
			}
			d.onLast = func(q *fakeQuery) { close(read[q.base]) }
			got, err := collectOnce(t, t.Context(), d.config())
			require.NoError(t, err)
			require.Equal(t, want.Calls(), got.Calls())
		})
	}
}

// TestOneFailureEndsAll: the other naming contexts would never be answered.
func TestOneFailureEndsAll(t *testing.T) {
	for name, row := range map[string]struct {
		fail func(q *fakeQuery, cancel func()) error
		want error
	}{
		"connection lost": {func(*fakeQuery, func()) error { return errHangUp }, fault.SourceIncomplete},
		"refused": {func(q *fakeQuery, _ func()) error {
			return send(q.conn, q.id, result(ldap.ApplicationSearchResultDone, ldap.LDAPResultInsufficientAccessRights))
		}, fault.SourceAccessDenied},
		"not LDAP": {func(q *fakeQuery, _ func()) error {
			_, err := q.conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			return err
		}, fault.SourceIncomplete},
		"given up": {func(_ *fakeQuery, cancel func()) error {
			cancel()
			return nil
		}, context.Canceled},
	} {
		for _, where := range contextsInOrder {
			t.Run(name+" in "+where, func(t *testing.T) {
				t.Parallel()
				d := newFakeDC(t)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var all sync.WaitGroup
				all.Add(len(contextsInOrder))
				d.onSearch = func(q *fakeQuery) (bool, error) {
					all.Done()
					all.Wait()
					if q.base == where {
						return true, row.fail(q, cancel)
					}
					return true, nil
				}
				config := d.config()
				config.StallTimeout = time.Hour
				_, err := collectOnce(t, ctx, config)
				require.ErrorIs(t, err, row.want)
				if name != "given up" {
					require.ErrorContains(t, err, "cannot read "+where+" from")
				}
			})
		}
	}
}

// TestSinkFailsWhileOthersRead: its error is the one that is returned, and what is read
// ahead is given up.
func TestSinkFailsWhileOthersRead(t *testing.T) {
	d := newFakeDC(t)
	d.onSearch = func(q *fakeQuery) (bool, error) { return q.base == fakeDomain, nil }
	config := d.config()
	config.StallTimeout = time.Hour
	open := countConnections(&config)
	c, err := New(config)
	require.NoError(t, err)
	full := errors.New("full")
	sink := &collecttest.Recorder{Before: func(n int) error {
		if n == 2 {
			return full
		}
		return nil
	}}
	_, err = c.Collect(t.Context(), sink)
	require.Same(t, full, err)
	require.Zero(t, sink.Late())
	require.Zero(t, open.Load())
}

// TestFewerConnections: further ones are for speed only.
func TestFewerConnections(t *testing.T) {
	cert, ca := fakeCertificate(t)
	want, err := collectOnce(t, t.Context(), newFakeDCWith(t, cert, ca).config())
	require.NoError(t, err)
	for name, spoil := range map[string]func(t *testing.T, d *fakeDC, config *Config) (logins int32){
		"no further one": func(_ *testing.T, _ *fakeDC, config *Config) int32 {
			dials := 0
			config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if dials++; dials > 1 {
					return nil, errors.New("connection refused")
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			}
			return 1
		},
		"no answer to a further one": func(_ *testing.T, _ *fakeDC, config *Config) int32 {
			dials := 0
			config.DialTimeout = time.Hour
			config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if dials++; dials > 1 {
					<-ctx.Done() // as soon as it is not needed any more
					return nil, ctx.Err()
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			}
			return 1
		},
		"another login is refused": func(_ *testing.T, d *fakeDC, _ *Config) int32 {
			d.onBind = func(conn net.Conn, id int64) error {
				code := 0
				if d.binds.Load() > 1 {
					code = ldap.LDAPResultInvalidCredentials
				}
				return send(conn, id, result(ldap.ApplicationBindResponse, code))
			}
			return 2
		},
		"another controller answers": func(t *testing.T, d *fakeDC, config *Config) int32 {
			other := newFakeDCWith(t, cert, ca)
			other.invocation = 2
			var once sync.Once
			tried := make(chan struct{})
			other.onEnd = func() { once.Do(func() { close(tried) }) }
			other.onSearch = func(*fakeQuery) (bool, error) {
				t.Error("another controller was asked for objects")
				other.onEnd()
				return false, nil
			}
			d.onSearch = func(*fakeQuery) (bool, error) {
				<-tried
				return false, nil
			}
			dials := 0
			config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if dials++; dials > 1 {
					address = other.listener.Addr().String()
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			}
			return 1
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newFakeDCWith(t, cert, ca)
			config := d.config()
			logins := spoil(t, d, &config)
			got, err := collectOnce(t, t.Context(), config)
			require.NoError(t, err)
			require.Equal(t, want.Calls(), got.Calls())
			require.LessOrEqual(t, d.binds.Load(), logins)
		})
	}
}

// TestReadAheadIsBounded reads a naming context that nobody writes yet.
func TestReadAheadIsBounded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	a := newAhead(ctx, fakeDomain)
	var taken atomic.Int64
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			f := &found{record: record.Record{DN: "CN=x", Attributes: []record.Attribute{{Name: "info", Values: [][]byte{make([]byte, 4096)}}}}}
			if _, err := a.take(f); err != nil {
				return
			}
			taken.Add(int64(f.record.Size()))
		}
	})
	require.Eventually(t, func() bool {
		free := a.room.TryAcquire(batchBytes)
		if free {
			a.room.Release(batchBytes)
		}
		return !free || len(a.batches) == aheadBatches
	}, time.Minute, time.Millisecond)
	cancel()
	reading.Wait()
	require.Greater(t, taken.Load(), int64(aheadBytes/2))
	require.LessOrEqual(t, taken.Load(), int64(aheadBytes+2*batchBytes))
}

// TestLargeObjectsWaitForTheirTurn: however many naming contexts have some, one of them
// at a time is in memory, and waiting is no silence of the controller.
func TestLargeObjectsWaitForTheirTurn(t *testing.T) {
	const size = 24 << 20
	d := newFakeDC(t)
	mark, piece := []byte("the value"), make([]byte, 64<<10)
	var others sync.WaitGroup // that have such an object on the way, before the first is sent
	others.Add(len(contextsInOrder) - 1)
	d.onSearch = func(q *fakeQuery) (bool, error) {
		if q.page > 0 {
			return false, nil
		}
		which := slices.Index(contextsInOrder, q.base)
		if which > 0 {
			others.Done()
		} else {
			others.Wait()
		}
		// The message is sent without ever being there as a whole.
		attribute := func(name string, value []byte) []byte {
			return wrap(tagSequence, append(wrap(tagOctets, []byte(name)), wrap(tagSet, wrap(tagOctets, value))...))
		}
		head := slices.Concat(attribute("objectGUID", fakeGUID(200+which)), attribute("uSNChanged", []byte("1")), attribute("info", mark))
		whole := numbered(q.id, wrap(tagEntry, append(wrap(tagOctets, []byte("CN=large,"+q.base)), wrap(tagSequence, head)...)))
		at := bytes.Index(whole, mark)
		for p, rest := 0, whole; p < at; { // each element around the value is longer by what is sent instead
			next := bytes.IndexByte(rest, 0x84)
			p += next + 5
			length := rest[next+1 : next+5]
			if end := p + int(binary.BigEndian.Uint32(length)); p <= at && end >= at+len(mark) {
				binary.BigEndian.PutUint32(length, uint32(end-p-len(mark)+size))
			}
			rest = rest[next+5:]
		}
		if _, err := q.conn.Write(whole[:at]); err != nil {
			return true, err
		}
		for range size / len(piece) {
			if _, err := q.conn.Write(piece); err != nil {
				return true, err
			}
		}
		_, err := q.conn.Write(whole[at+len(mark):])
		return false, err
	}
	config := d.config()
	config.StallTimeout = 5 * time.Second
	c, err := New(config)
	require.NoError(t, err)
	peak := watchHeap()
	sink := &largeSink{}
	_, err = c.Collect(t.Context(), sink)
	require.NoError(t, err)
	require.Equal(t, len(contextsInOrder), sink.large)
	got := peak()
	t.Logf("a heap of at most %d MiB", got>>20)
	require.Less(t, got, uint64(4*size))
}

// largeSink counts large records.
type largeSink struct {
	forgetful
	large int
}

// Record implements [collect.Sink].
func (l *largeSink) Record(_ backup.Item, document []byte) error {
	if len(document) > directory.MaxSmall {
		l.large++
	}
	return nil
}

// TestSecretsStayOut: the password is in no error of a further connection.
func TestSecretsStayOut(t *testing.T) {
	d := newFakeDC(t)
	config := d.config()
	config.Password = secret.New("canary-wrong")
	_, err := collectOnce(t, t.Context(), config)
	require.ErrorIs(t, err, fault.SourceAuthFailed)
	require.NotContains(t, err.Error(), "canary")
}
