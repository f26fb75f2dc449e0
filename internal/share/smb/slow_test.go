package smb_test

import (
	"encoding/binary"
	"os"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// slowReads makes every reading of the files in the folders take a while, for whatever
// process, as a virus scanner or a disk that has to be spun up does.
func slowReads(t *testing.T, delay time.Duration, folders ...string) {
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK|unix.FAN_UNLIMITED_QUEUE, unix.O_RDONLY|unix.O_CLOEXEC)
	require.NoError(t, err)
	events := os.NewFile(uintptr(fd), "fanotify")
	for _, folder := range folders {
		require.NoError(t, unix.FanotifyMark(fd, unix.FAN_MARK_ADD, unix.FAN_ACCESS_PERM|unix.FAN_EVENT_ON_CHILD, unix.AT_FDCWD, folder))
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buffer := make([]byte, 64<<10)
		for {
			n, err := events.Read(buffer)
			if err != nil {
				return // closed at the end
			}
			for rest := buffer[:n]; len(rest) >= int(unsafe.Sizeof(unix.FanotifyEventMetadata{})); {
				length := binary.NativeEndian.Uint32(rest)
				file := int32(binary.NativeEndian.Uint32(rest[16:]))
				rest = rest[length:]
				answer := binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, uint32(file)), unix.FAN_ALLOW)
				time.AfterFunc(delay, func() {
					_, _ = events.Write(answer) // at the end the kernel allows what is left
					_ = unix.Close(int(file))
				})
			}
		}
	}()
	t.Cleanup(func() {
		require.NoError(t, events.Close())
		<-ended
	})
}
