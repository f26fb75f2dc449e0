package distance_test

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/distance"
)

// echo is a server that answers each connection with what it says.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return listener.Addr().String()
}

func frame(size int) []byte {
	data := make([]byte, 4+size)
	binary.BigEndian.PutUint32(data, uint32(size))
	return data
}

func TestLink(t *testing.T) {
	t.Parallel()
	const roundTrip = 40 * time.Millisecond
	link, err := distance.Open(distance.Options{Listen: "127.0.0.1:0", Target: echo(t), RoundTrip: roundTrip})
	require.NoError(t, err)
	before := link.Count()
	c, err := net.Dial("tcp", link.Address())
	require.NoError(t, err)

	sent := 0
	for _, size := range []int{0, 1, 70_000, 3} {
		began := time.Now()
		data := frame(size)
		for _, part := range [][]byte{data[:3], data[3:]} { // a header may come in two parts
			_, err := c.Write(part)
			require.NoError(t, err)
		}
		back := make([]byte, len(data))
		_, err = io.ReadFull(c, back)
		require.NoError(t, err)
		require.Equal(t, data, back)
		require.GreaterOrEqual(t, time.Since(began), roundTrip)
		sent += len(data)
	}
	require.Equal(t, distance.Count{Connections: 1, Requests: 4, Turns: 4, Sent: int64(sent), Received: int64(sent)}, link.Count().Since(before))

	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	rest, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Empty(t, rest, "the end of one direction reaches the other")
	require.NoError(t, c.Close())
	require.NoError(t, link.Close())
}

// TestTurns sends requests together and one after the other.
func TestTurns(t *testing.T) {
	t.Parallel()
	link, err := distance.Open(distance.Options{Listen: "127.0.0.1:0", Target: echo(t), RoundTrip: 40 * time.Millisecond})
	require.NoError(t, err)
	var connections []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", link.Address())
		require.NoError(t, err)
		connections = append(connections, c)
	}
	back := make([]byte, 3*len(frame(5)))
	for range 4 { // each on both, three at once
		for _, c := range connections {
			for range 3 {
				_, err := c.Write(frame(5))
				require.NoError(t, err)
			}
		}
		for _, c := range connections {
			_, err := io.ReadFull(c, back)
			require.NoError(t, err)
		}
	}
	count := link.Count()
	require.EqualValues(t, 24, count.Requests)
	require.GreaterOrEqual(t, count.Turns, int64(4))
	require.Less(t, count.Turns, int64(24))
	for _, c := range connections {
		require.NoError(t, c.Close())
	}
	require.NoError(t, link.Close())
}

// TestLinkEnds closes a link that is in use, and one whose server is not there.
func TestLinkEnds(t *testing.T) {
	t.Parallel()
	link, err := distance.Open(distance.Options{Listen: "127.0.0.1:0", Target: echo(t)})
	require.NoError(t, err)
	c, err := net.Dial("tcp", link.Address())
	require.NoError(t, err)
	_, err = c.Write([]byte("x"))
	require.NoError(t, err)
	_, err = io.ReadFull(c, make([]byte, 1))
	require.NoError(t, err)
	require.NoError(t, link.Close())
	_, err = io.ReadAll(c)
	if err != nil { // or its end
		require.ErrorContains(t, err, "reset")
	}
	require.NoError(t, c.Close())

	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	link, err = distance.Open(distance.Options{Listen: "127.0.0.1:0", Target: closed.Addr().String()})
	require.NoError(t, err)
	c, err = net.Dial("tcp", link.Address())
	require.NoError(t, err)
	_, err = io.ReadAll(c)
	if err != nil {
		require.ErrorContains(t, err, "reset")
	}
	require.NoError(t, c.Close())
	require.NoError(t, link.Close())
}
