package privsep

import (
	"os"

	"golang.org/x/sys/unix"
)

// newSharedMemory makes memory that has no name and no disk below it, for a child to
// inherit.
func newSharedMemory(size int) (file *os.File, memory []byte, err error) {
	fd, err := unix.MemfdCreate("infrabackup", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, nil, os.NewSyscallError("memfd_create", err)
	}
	file = os.NewFile(uintptr(fd), "shared memory")
	if err := file.Truncate(int64(size)); err != nil {
		_ = file.Close() // nothing is in it
		return nil, nil, err
	}
	memory, err = mapMemory(file, size)
	if err != nil {
		_ = file.Close() // nothing is in it
		return nil, nil, err
	}
	return file, memory, nil
}

// mapMemory makes shared memory readable and writable in this process.
func mapMemory(file *os.File, size int) ([]byte, error) {
	memory, err := unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return memory, os.NewSyscallError("mmap", err)
}

func unmapMemory(memory []byte) error { return os.NewSyscallError("munmap", unix.Munmap(memory)) }
