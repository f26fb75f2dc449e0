package ad

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

var errHangUp = errors.New("hang up")

// TestAnswersThatEndEarly is the list of ways in which a short answer could look
// whole. None may.
func TestAnswersThatEndEarly(t *testing.T) {
	second := func(q *fakeQuery) bool { return q.base == fakeDomain && q.page == 1 }
	tests := map[string]struct {
		set  func(d *fakeDC)
		want fault.Code
	}{
		"connection closed between pages": {func(d *fakeDC) {
			d.onSearch = func(q *fakeQuery) (bool, error) {
				if second(q) {
					return false, errHangUp
				}
				return false, nil
			}
		}, fault.SourceIncomplete},
		"connection closed behind the last page": {func(d *fakeDC) {
			d.onSearch = func(q *fakeQuery) (bool, error) {
				if q.base != fakeDomain {
					return false, nil
				}
				return true, errors.Join(q.done(""), errHangUp)
			}
		}, fault.SourceIncomplete},
		"a naming context without anything": {func(d *fakeDC) {
			d.onSearch = func(q *fakeQuery) (bool, error) {
				if q.base != fakeDomain {
					return false, nil
				}
				return true, q.done("")
			}
		}, fault.SourceIncomplete},
		"connection closed in mid-page": {func(d *fakeDC) {
			d.afterEntry = func(q *fakeQuery, sent int) error {
				if second(q) && sent == 2 {
					return errHangUp
				}
				return nil
			}
		}, fault.SourceIncomplete},
		"half a message": {func(d *fakeDC) {
			d.afterEntry = func(q *fakeQuery, sent int) error {
				if second(q) {
					whole := message(q.id, entry("CN=half", [][2]any{{"cn", []string{"half"}}}))
					_, err := q.conn.Write(whole[:len(whole)/2])
					return errors.Join(err, errHangUp)
				}
				return nil
			}
		}, fault.SourceIncomplete},
		"no paging control at the end": {func(d *fakeDC) {
			d.onSearch = func(q *fakeQuery) (bool, error) {
				if second(q) {
					return true, send(q.conn, q.id, result(ldap.ApplicationSearchResultDone, 0))
				}
				return false, nil
			}
		}, fault.SourceIncomplete},
		"the same page for ever": {func(d *fakeDC) {
			d.onSearch = func(q *fakeQuery) (bool, error) {
				if second(q) {
					q.cookie, q.page = "from 4", 1
					first := &fakeQuery{id: q.id, base: q.base, scope: q.scope, filter: q.filter, conn: q.conn, deleted: q.deleted}
					d.mu.Lock()
					entries := d.find(first)
					d.mu.Unlock()
					for _, e := range entries[:4] {
						if err := send(q.conn, q.id, e); err != nil {
							return true, err
						}
					}
					return true, q.done("from 4")
				}
				return false, nil
			}
		}, fault.SourceIncomplete},
		"empty pages for ever": {func(d *fakeDC) {
			d.onSearch = func(q *fakeQuery) (bool, error) {
				if second(q) {
					return true, q.done("from 4")
				}
				return false, nil
			}
		}, fault.SourceIncomplete},
		"silence": {func(d *fakeDC) {
			d.onSearch = func(q *fakeQuery) (bool, error) { return second(q), nil }
		}, fault.SourceUnreachable},
		"size limit": {func(d *fakeDC) { d.answerWith(second, ldap.LDAPResultSizeLimitExceeded) }, fault.SourceIncomplete},
		"time limit": {func(d *fakeDC) { d.answerWith(second, ldap.LDAPResultTimeLimitExceeded) }, fault.SourceIncomplete},
		"busy":       {func(d *fakeDC) { d.answerWith(second, ldap.LDAPResultBusy) }, fault.SourceUnreachable},
		"refused":    {func(d *fakeDC) { d.answerWith(second, ldap.LDAPResultInsufficientAccessRights) }, fault.SourceAccessDenied},
		"referral":   {func(d *fakeDC) { d.answerWith(second, ldap.LDAPResultReferral) }, fault.SourceInvalid},
		"control not known": {func(d *fakeDC) {
			d.answerWith(second, ldap.LDAPResultUnavailableCriticalExtension)
		}, fault.SourceInvalid},
		"not LDAP": {func(d *fakeDC) {
			d.onSearch = func(q *fakeQuery) (bool, error) {
				_, err := io.WriteString(q.conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
				return true, err
			}
		}, fault.SourceIncomplete},
		"a message of 1 GiB": {func(d *fakeDC) {
			d.onSearch = func(q *fakeQuery) (bool, error) {
				_, err := q.conn.Write([]byte{0x30, 0x84, 0x40, 0, 0, 0, 0x02, 0x01})
				return true, err
			}
		}, fault.SourceIncomplete},
		"object without a GUID": {func(d *fakeDC) {
			d.onSearch = func(q *fakeQuery) (bool, error) {
				return false, send(q.conn, q.id, entry("CN=x,"+fakeDomain, [][2]any{{"uSNChanged", []string{"1"}}}))
			}
		}, fault.SourceInvalid},
		"object whose USN is hidden": {func(d *fakeDC) {
			d.onSearch = func(q *fakeQuery) (bool, error) {
				return false, send(q.conn, q.id, entry("CN=x,"+fakeDomain, [][2]any{{"objectGUID", []string{string(fakeGUID(99))}}}))
			}
		}, fault.SourceAccessDenied},
		"range that makes no sense": {func(d *fakeDC) {
			d.onSearch = func(q *fakeQuery) (bool, error) {
				return false, send(q.conn, q.id, entry("CN=x,"+fakeDomain, [][2]any{{"member;range=5-1", []string{"x"}}}))
			}
		}, fault.SourceInvalid},
		"no domain controller":    {func(d *fakeDC) { d.controls = nil }, fault.SourceInvalid},
		"schema is not shown":     {func(d *fakeDC) { d.remove("CN=member," + fakeSchema) }, fault.SourceAccessDenied},
		"own object is not shown": {func(d *fakeDC) { d.remove(fakeService) }, fault.SourceAccessDenied},
		"partition is not shown":  {func(d *fakeDC) { d.remove(fakeConfig) }, fault.SourceAccessDenied},
		"deleted ones are hidden": {func(d *fakeDC) {
			d.change(fakeDomain, func(o *fakeObject) {
				o.attributes["wellKnownObjects"] = []string{deletedObjects + "CN=Deleted Objects," + fakeDomain}
			})
		}, fault.SourceAccessDenied},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := newFakeDC(t)
			test.set(d)
			config := d.config()
			if name == "silence" {
				config.StallTimeout = 100 * time.Millisecond
			}
			c, err := New(config)
			require.NoError(t, err)
			_, err = c.Collect(t.Context(), &collecttest.Recorder{})
			require.ErrorIs(t, err, test.want)
			require.Equal(t, test.want, fault.CodeOf(err), "%v", err)
			require.NotContains(t, err.Error(), fakePassword)
			require.LessOrEqual(t, d.binds.Load(), int32(maxConnections), "one login for one connection")
		})
	}
}

// answerWith ends searches with a result code.
func (d *fakeDC) answerWith(which func(*fakeQuery) bool, code int) {
	d.onSearch = func(q *fakeQuery) (bool, error) {
		if which(q) {
			return true, send(q.conn, q.id, result(ldap.ApplicationSearchResultDone, code))
		}
		return false, nil
	}
}

func (d *fakeDC) remove(dn string) {
	kept := d.objects[:0:0]
	for _, o := range d.objects {
		if o.dn != dn {
			kept = append(kept, o)
		}
	}
	d.objects = kept
}

func TestReferralsAreNotFollowed(t *testing.T) {
	d := newFakeDC(t)
	reached := false
	config := d.config()
	dial := (&net.Dialer{}).DialContext
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		reached = reached || strings.Contains(address, "corp.test")
		return dial(ctx, network, address)
	}
	c, err := New(config)
	require.NoError(t, err)
	_, err = c.Collect(t.Context(), &collecttest.Recorder{})
	require.NoError(t, err)
	require.False(t, reached)
}

func TestLogin(t *testing.T) {
	t.Run("a wrong password is tried once", func(t *testing.T) {
		d := newFakeDC(t)
		config := d.config()
		config.Password = secret.New("canary-wrong")
		c, err := New(config)
		require.NoError(t, err)
		_, err = c.Collect(t.Context(), &collecttest.Recorder{})
		require.ErrorIs(t, err, fault.SourceAuthFailed)
		require.NotContains(t, err.Error(), "canary")
		require.Equal(t, int32(1), d.binds.Load())
		require.ErrorIs(t, c.Check(t.Context()), fault.SourceAuthFailed)
		require.Equal(t, int32(2), d.binds.Load())
	})
	t.Run("a certificate of another CA", func(t *testing.T) {
		d := newFakeDC(t)
		config := d.config()
		_, config.CACertificates = fakeCertificate(t)
		c, err := New(config)
		require.NoError(t, err)
		require.ErrorIs(t, c.Check(t.Context()), fault.SourceTLS)
		require.Zero(t, d.binds.Load(), "no password is sent")
	})
	t.Run("a certificate of another host", func(t *testing.T) {
		d := newFakeDC(t)
		config := d.config()
		config.URL = strings.Replace(config.URL, "127.0.0.1", "localhost", 1)
		c, err := New(config)
		require.NoError(t, err)
		require.ErrorIs(t, c.Check(t.Context()), fault.SourceTLS)
	})
	t.Run("plain text where TLS should be", func(t *testing.T) {
		c := collectorOn(t, func(conn net.Conn) { _, _ = io.WriteString(conn, "220 mail.example ready\r\n") })
		require.ErrorIs(t, c.Check(t.Context()), fault.SourceTLS)
	})
	t.Run("silence where TLS should be", func(t *testing.T) {
		c := collectorOn(t, func(net.Conn) {})
		c.config.DialTimeout = 50 * time.Millisecond
		require.ErrorIs(t, c.Check(t.Context()), fault.SourceUnreachable)
	})
	t.Run("nobody listens", func(t *testing.T) {
		d := newFakeDC(t)
		config := d.config()
		config.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") }
		c, err := New(config)
		require.NoError(t, err)
		require.ErrorIs(t, c.Check(t.Context()), fault.SourceUnreachable)
	})
}

// collectorOn connects to a server that accepts, does something and waits.
func collectorOn(t *testing.T, serve func(net.Conn)) *Collector {
	t.Helper()
	config := newFakeDC(t).config()
	config.Dial = func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			go serve(server)
			_, _ = io.Copy(io.Discard, server)
		}()
		t.Cleanup(func() {
			_ = server.Close()
			<-done
		})
		return client, nil
	}
	c, err := New(config)
	require.NoError(t, err)
	return c
}

func TestCancelledWhileTheServerIsSilent(t *testing.T) {
	d := newFakeDC(t)
	ctx, cancel := context.WithCancel(t.Context())
	d.onSearch = func(*fakeQuery) (bool, error) {
		cancel()
		return true, nil
	}
	_, err := d.collector(t).Collect(ctx, &collecttest.Recorder{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestNewRefuses(t *testing.T) {
	good := newFakeDC(t).config()
	tests := map[string]func(c *Config){
		"plain LDAP":            func(c *Config) { c.URL = "ldap://dc1" },
		"URL with a user":       func(c *Config) { c.URL = "ldaps://u:canary@dc1" },
		"URL with a path":       func(c *Config) { c.URL = "ldaps://dc1/DC=corp" },
		"URL without a host":    func(c *Config) { c.URL = "ldaps://:636" },
		"malformed URL":         func(c *Config) { c.URL = "ldaps://%zz" },
		"no URL":                func(c *Config) { c.URL = "" },
		"no CA":                 func(c *Config) { c.CACertificates = []byte("none") },
		"no user":               func(c *Config) { c.Username = "" },
		"no password":           func(c *Config) { c.Password = secret.String{} },
		"page too large":        func(c *Config) { c.PageSize = 1001 },
		"negative page":         func(c *Config) { c.PageSize = -1 },
		"negative rounds":       func(c *Config) { c.MaxRounds = -1 },
		"negative dial time":    func(c *Config) { c.DialTimeout = -1 },
		"negative silence time": func(c *Config) { c.StallTimeout = -1 },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			config := good
			spoil(&config)
			_, err := New(config)
			require.ErrorIs(t, err, fault.ConfigInvalid)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}
