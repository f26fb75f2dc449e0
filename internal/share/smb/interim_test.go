package smb_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
	"infrabackup/internal/share/smb"
)

const (
	statusPending = 0x103
	flagAsync     = 2
	flagSigned    = 8
)

// middle stands between the product and the server, sees what is not encrypted, and may
// say something else than the server.
type middle struct {
	// says is what the product gets instead of a frame of the server's; nil for the
	// frame itself. It is called by one goroutine for each connection.
	says func(m *line, frame []byte) [][]byte

	mu       sync.Mutex
	conns    int
	interims int // interim answers of the server
	unsigned int // of them, those without a signature
}

// line is one connection of a middle.
type line struct {
	net.Conn
	middle *middle
	buffer []byte

	mu   sync.Mutex
	last []byte // the newest request's header
}

func (m *middle) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conns++
	return &line{Conn: conn, middle: m}, nil
}

func (l *line) Write(p []byte) (int, error) {
	if len(p) >= 64 {
		l.mu.Lock()
		l.last = bytes.Clone(p[:64])
		l.mu.Unlock()
	}
	return l.Conn.Write(p)
}

func (l *line) Read(p []byte) (int, error) {
	if len(l.buffer) == 0 {
		var length [4]byte
		if _, err := io.ReadFull(l.Conn, length[:]); err != nil {
			return 0, err
		}
		frame := make([]byte, binary.BigEndian.Uint32(length[:]))
		if _, err := io.ReadFull(l.Conn, frame); err != nil {
			return 0, err
		}
		for _, frame := range l.middle.hear(l, frame) {
			l.buffer = append(binary.BigEndian.AppendUint32(l.buffer, uint32(len(frame))), frame...)
		}
		if len(l.buffer) == 0 {
			return l.Read(p)
		}
	}
	n := copy(p, l.buffer)
	l.buffer = l.buffer[n:]
	return n, nil
}

func isInterim(frame []byte) bool {
	return frame[0] == 0xFE && binary.LittleEndian.Uint32(frame[8:]) == statusPending && binary.LittleEndian.Uint32(frame[16:])&flagAsync != 0
}

// hear counts interim answers, and takes their signature away: Windows sends them
// without one.
func (m *middle) hear(l *line, frame []byte) [][]byte {
	if isInterim(frame) {
		flags := binary.LittleEndian.Uint32(frame[16:])
		m.mu.Lock()
		m.interims++
		if flags&flagSigned == 0 {
			m.unsigned++
		}
		m.mu.Unlock()
		binary.LittleEndian.PutUint32(frame[16:], flags&^flagSigned)
		clear(frame[48:64])
	}
	if m.says != nil {
		if frames := m.says(l, frame); frames != nil {
			return frames
		}
	}
	return [][]byte{frame}
}

// signedServer requires signatures and does not encrypt, and answers what takes longer
// than half a millisecond asynchronously.
func signedServer(t *testing.T, lines ...string) (*samba, smb.Config, *middle) {
	server := startSamba(t, "", append([]string{"smb encrypt = off", "server signing = mandatory"}, lines...)...)
	m := &middle{}
	config := server.config()
	config.Transport, config.Dial = smb.Signed, m.dial
	return server, config, m
}

// On a server that requires signatures, slow requests are no failure: files go up and
// down at once, on the connections that they began with.
func TestSlowAnswersSigned(t *testing.T) {
	for _, dialect := range []string{"SMB3_11", "SMB3_02"} {
		t.Run(dialect, func(t *testing.T) {
			server, config, m := signedServer(t, "server max protocol = "+dialect)
			store, ctx := openStore(t, config), t.Context()
			const size = 60 << 20
			require.NoError(t, store.Upload(ctx, "part", pattern{}, 0, size, nil))
			pattern{}.check(t, filepath.Join(server.Folder, "part"), size)
			slowReads(t, 3*time.Millisecond, server.Folder)
			var got counted
			n, err := store.Download(ctx, "part", 0, &got)
			require.NoError(t, err)
			require.EqualValues(t, size, n)
			require.Zero(t, got.wrong)
			file, err := store.Open(ctx, "part")
			require.NoError(t, err)
			_, err = file.ReadAt(make([]byte, 3<<20), 5<<20)
			require.NoError(t, err)
			require.NoError(t, file.Close())
			m.mu.Lock()
			defer m.mu.Unlock()
			t.Logf("%d interim answers, %d without a signature from the server itself", m.interims, m.unsigned)
			require.Greater(t, m.interims, 20)
			more := 0
			if dialect != "SMB3_11" {
				more = 6 // each connection offers 3.1.1 first
			}
			require.Equal(t, 6+more, m.conns, "one for names, two up, two down, one for reading at random")
		})
	}
}

// counted compares what is written to it with the pattern.
type counted struct {
	at    int64
	wrong int
}

func (c *counted) Write(p []byte) (int, error) {
	want := make([]byte, len(p))
	_, _ = pattern{}.ReadAt(want, c.at) // never fails
	if !bytes.Equal(want, p) {
		c.wrong++
	}
	c.at += int64(len(p))
	return len(p), nil
}

// Hundreds of small files that the server has to read from a slow disk are read on one
// connection, each once.
func TestSlowTreeSigned(t *testing.T) {
	server, config, m := signedServer(t)
	want := map[string]string{}
	folders := []string{server.Folder}
	for i := range 400 {
		folder := fmt.Sprintf("corp.test/Policies/{%08d}", i%20)
		if i < 20 {
			require.NoError(t, os.MkdirAll(filepath.Join(server.Folder, folder), 0o755))
			folders = append(folders, filepath.Join(server.Folder, folder))
		}
		data := make([]byte, 20_000+i*175)
		_, _ = pattern{}.ReadAt(data, int64(i)<<20) // never fails
		want[fmt.Sprintf("%s/file %d", folder, i)] = string(data)
		require.NoError(t, os.WriteFile(filepath.Join(server.Folder, folder, fmt.Sprintf("file %d", i)), data, 0o644))
	}
	slowReads(t, 2*time.Millisecond, folders...)
	tree, err := smb.OpenTree(t.Context(), config)
	require.NoError(t, err)
	defer func() { require.NoError(t, tree.Close()) }()
	require.NoError(t, tree.Walk(t.Context(), "corp.test", func(path string, info fs.FileInfo) error {
		if info.IsDir() {
			return nil
		}
		file, err := tree.Open(t.Context(), path)
		if err != nil {
			return err
		}
		data := make([]byte, info.Size())
		if _, err := io.ReadFull(file, data); err != nil {
			return err
		}
		require.True(t, want[path] == string(data), path)
		delete(want, path)
		return file.Close()
	}))
	require.Empty(t, want)
	m.mu.Lock()
	defer m.mu.Unlock()
	require.Equal(t, 1, m.conns)
	require.GreaterOrEqual(t, m.interims, 200)
}

// forged makes an unsigned interim answer.
func forged(request []byte, id, async uint64, credits uint16, change func([]byte)) []byte {
	frame := answer(request, binary.LittleEndian.Uint16(request[12:]), statusPending, refusal)
	binary.LittleEndian.PutUint16(frame[14:], credits)
	binary.LittleEndian.PutUint32(frame[16:], 1|flagAsync)
	binary.LittleEndian.PutUint64(frame[24:], id)
	binary.LittleEndian.PutUint64(frame[32:], async)
	copy(frame[40:48], request[40:48])
	if change != nil {
		change(frame)
	}
	return frame
}

// Interim answers that somebody else sends change nothing, as long as they answer what
// was asked, and end the connection otherwise. Nothing that is not signed is believed.
func TestForgedInterimAnswers(t *testing.T) {
	server, config, _ := signedServer(t)
	require.NoError(t, os.WriteFile(filepath.Join(server.Folder, "file"), []byte("content"), 0o644))
	status := func(s uint32) func([]byte) {
		return func(frame []byte) { binary.LittleEndian.PutUint32(frame[8:], s) }
	}
	flags := func(f uint32) func([]byte) {
		return func(frame []byte) { binary.LittleEndian.PutUint32(frame[16:], f) }
	}
	for name, c := range map[string]struct {
		count   int
		id      uint64 // added to the request's
		credits uint16
		change  func([]byte)
		refused bool
	}{
		"one":               {count: 1, credits: 1},
		"many credits":      {count: 2, credits: 0xFFFF},
		"no credits":        {count: 2},
		"another command":   {count: 1, change: func(frame []byte) { frame[12] = 9 }},
		"signed with noise": {count: 2, change: flags(1 | flagAsync | flagSigned)},
		"too many":          {count: 9, refused: true},
		"nobody asked":      {count: 1, id: 100_000, refused: true},
		"for all":           {count: 1, id: ^uint64(0), refused: true},
		"success":           {count: 1, change: status(0), refused: true},
		"an error":          {count: 1, change: status(0xC0000022), refused: true},
		"not asynchronous":  {count: 1, change: flags(1), refused: true},
		"a request":         {count: 1, change: flags(flagAsync), refused: true},
		"final and signed":  {count: 1, change: func(f []byte) { status(0)(f); flags(1 | flagAsync | flagSigned)(f) }, refused: true},
		"with a tail":       {count: 1, change: nil, refused: true, credits: 7777},
	} {
		t.Run(name, func(t *testing.T) {
			m, config := &middle{}, config
			config.Dial = m.dial
			m.says = func(_ *line, frame []byte) [][]byte {
				if frame[0] != 0xFE || binary.LittleEndian.Uint16(frame[12:]) < cmdCreate {
					return nil
				}
				request := frame // what is answered is outstanding, whatever else was asked since
				var frames [][]byte
				for i := range c.count {
					f := forged(request, binary.LittleEndian.Uint64(request[24:])+c.id, 0x1111_0000_2222_0000+uint64(i), c.credits, c.change)
					if c.credits == 7777 {
						f = append(f, make([]byte, 500)...)
					}
					frames = append(frames, f)
				}
				return append(frames, frame)
			}
			store, err := smb.Open(t.Context(), config)
			if c.refused {
				require.ErrorIs(t, err, fault.ShareProtocol)
				return
			}
			require.NoError(t, err)
			defer func() { require.NoError(t, store.Close()) }()
			slowReads(t, 5*time.Millisecond, server.Folder) // real ones among them
			for range 20 {
				var got bytes.Buffer
				_, err = store.Download(t.Context(), "file", 0, &got)
				require.NoError(t, err)
				require.Equal(t, "content", got.String())
			}
			_, err = store.Stat(t.Context(), "none")
			require.ErrorIs(t, err, fault.SharePathNotFound)
			m.mu.Lock()
			defer m.mu.Unlock()
			require.Equal(t, 1, m.conns)
			require.GreaterOrEqual(t, m.interims, 5)
		})
	}
}

// A request that is only ever answered by "still working on it" ends as one that is not
// answered at all, also when the answers go on.
func TestInterimForEver(t *testing.T) {
	_, config, m := signedServer(t)
	config.StallTimeout = 300 * time.Millisecond
	store := openStore(t, config)
	m.says = func(l *line, frame []byte) [][]byte {
		l.mu.Lock()
		defer l.mu.Unlock()
		return [][]byte{forged(l.last, binary.LittleEndian.Uint64(l.last[24:]), 5, 1, nil)}
	}
	start := time.Now()
	_, err := store.Stat(t.Context(), "file")
	require.ErrorIs(t, err, fault.ShareUnreachable)
	require.Less(t, time.Since(start), 5*time.Second)
}

// Generated changes to the server's answers are refused, or make no difference: what is
// read is what was written.
func TestChangedAnswersSigned(t *testing.T) {
	server, config, m := signedServer(t)
	require.NoError(t, os.WriteFile(filepath.Join(server.Folder, "file"), []byte("content"), 0o644))
	config.StallTimeout, config.DialTimeout = 200*time.Millisecond, 2*time.Second
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 2))
		after := 4 + random.IntN(12)
		var seen int
		m.says = func(l *line, frame []byte) [][]byte {
			if seen++; seen != after || frame[0] != 0xFE || binary.LittleEndian.Uint16(frame[12:]) < cmdTreeConnect {
				return nil
			}
			changed := bytes.Clone(frame)
			switch random.IntN(4) {
			case 0: // anything anywhere
				changed[random.IntN(len(changed))] ^= 1 << random.IntN(8)
			case 1: // without its signature
				binary.LittleEndian.PutUint32(changed[16:], binary.LittleEndian.Uint32(changed[16:])&^flagSigned)
			case 2: // twice
				return [][]byte{frame, changed}
			case 3: // as an interim answer, and never more
				binary.LittleEndian.PutUint32(changed[8:], statusPending)
				binary.LittleEndian.PutUint32(changed[16:], 1|flagAsync)
			}
			return [][]byte{changed}
		}
		store, err := smb.Open(t.Context(), config)
		if err != nil {
			requireRefused(t, err)
			continue
		}
		readsWhatIsThere(t, store)
		require.NoError(t, store.Close())
	}
}

func readsWhatIsThere(t *testing.T, store share.Store) {
	var got bytes.Buffer
	if _, err := store.Download(t.Context(), "file", 0, &got); err != nil {
		requireRefused(t, err)
		return
	}
	require.Equal(t, "content", got.String())
}

func requireRefused(t *testing.T, err error) {
	require.Contains(t, []fault.Code{fault.ShareProtocol, fault.ShareUnreachable}, fault.CodeOf(err), "%v", err)
}
