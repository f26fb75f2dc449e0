package lab

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// PeakMemory reads a process's peak resident memory in bytes (proc(5), VmHWM). The
// figure that the system gives when a process has ended starts with its parent's.
func PeakMemory(pid int) (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("the system does not tell a process's peak memory")
}
