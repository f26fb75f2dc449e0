//go:build !linux

package privsep

import (
	"errors"
	"os"
)

var errNoSharedMemory = errors.New("only Linux is a supported platform of the worker")

func newSharedMemory(int) (*os.File, []byte, error) { return nil, nil, errNoSharedMemory }

func mapMemory(*os.File, int) ([]byte, error) { return nil, errNoSharedMemory }

func unmapMemory([]byte) error { return nil }
