package privsep

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
)

const (
	// childMemory is what the runtime of a child tries to stay below: it works for one
	// key or one file, beside its parent and within the limit of both.
	childMemory = "32MiB"

	maxStderr = 4 << 10 // how much of what a failing child writes is kept
)

// newCommand prepares a child that ends with ctx. What it says on standard error
// is kept for when it breaks down.
func newCommand(ctx context.Context, program string, args ...string) (cmd *exec.Cmd, stderr *boundedBuffer) {
	cmd = exec.CommandContext(ctx, program, args...)
	// Nothing of the parent's environment. A child that breaks down names no values:
	// the traces of goroutines hold parts of their arguments.
	cmd.Env = []string{"GOTRACEBACK=none", "GOMEMLIMIT=" + childMemory}
	stderr = &boundedBuffer{limit: maxStderr}
	cmd.Stderr = stderr
	return cmd, stderr
}

// boundedBuffer refuses what is beyond its limit, which ends the pipe that it is
// filled from. It does not embed the buffer, whose ReadFrom knows no limit.
type boundedBuffer struct {
	data  bytes.Buffer
	limit int
}

// Write implements [io.Writer].
func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.data.Len()+len(p) > b.limit {
		return 0, fmt.Errorf("more than %d bytes were written", b.limit)
	}
	return b.data.Write(p)
}
