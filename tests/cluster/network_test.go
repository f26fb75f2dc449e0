package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// rate is what the link of a host carries, so that what a test interrupts takes a while.
const rate = "16mbit"

// network is a bridge in the network namespace of the tests.
type network struct {
	name    string
	prefix  string // of addresses
	address string
	hosts   int
}

func newNetwork() (*network, error) {
	pid := os.Getpid()
	n := &network{name: fmt.Sprintf("ib%d", pid), prefix: fmt.Sprintf("10.77.%d.", pid%250)}
	n.address = n.prefix + "1"
	return n, errors.Join(
		sh("ip", "link", "add", n.name, "type", "bridge"),
		sh("ip", "addr", "add", n.address+"/24", "dev", n.name),
		sh("ip", "link", "set", n.name, "up"),
	)
}

func (n *network) close() error { return sh("ip", "link", "del", n.name) }

// host is a network namespace with one link.
type host struct {
	name   string
	link   string // on the side of the bridge
	holder *exec.Cmd
	pid    string // of the holder
}

// newHost makes a host. The namespace lasts as long as the process that holds it, and the link as
// long as the namespace.
func (n *network) newHost() (*host, error) {
	n.hosts++
	h := &host{name: fmt.Sprintf("host-%d", n.hosts), link: fmt.Sprintf("%sh%d", n.name, n.hosts)}
	h.holder = exec.Command("unshare", "-n", "sh", "-c", "echo held; exec sleep infinity")
	out, err := h.holder.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := h.holder.Start(); err != nil {
		return nil, err
	}
	if _, err := out.Read(make([]byte, 5)); err != nil {
		return nil, errors.Join(err, h.close())
	}
	h.pid = strconv.Itoa(h.holder.Process.Pid)
	address := n.prefix + strconv.Itoa(n.hosts+1) + "/24"
	for _, command := range []string{
		"ip link add " + h.link + " type veth peer name eth0 netns " + h.pid,
		"ip link set " + h.link + " master " + n.name + " up",
		"tc qdisc add dev " + h.link + " root tbf rate " + rate + " burst 64kb latency 400ms",
		"nsenter -t " + h.pid + " -n ip link set lo up",
		"nsenter -t " + h.pid + " -n ip addr add " + address + " dev eth0",
		"nsenter -t " + h.pid + " -n ip link set eth0 up",
		"nsenter -t " + h.pid + " -n tc qdisc add dev eth0 root tbf rate " + rate + " burst 64kb latency 400ms",
	} {
		words := strings.Fields(command)
		if err := sh(words[0], words[1:]...); err != nil {
			return nil, errors.Join(err, h.close())
		}
	}
	return h, nil
}

// command is a program on the host.
func (h *host) command(program string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"-t", h.pid, "-n", program}, args...)...)
}

// cut takes the cable out, and join puts it in again.
func (h *host) cut() error  { return sh("ip", "link", "set", h.link, "down") }
func (h *host) join() error { return sh("ip", "link", "set", h.link, "up") }

// carried is how many bytes came from the host, and went to it, so far. The file is that of
// the namespace of the tests, which /sys is not.
func (h *host) carried() (from, to int64, err error) {
	text, err := os.ReadFile("/proc/self/net/dev")
	if err != nil {
		return 0, 0, err
	}
	_, line, found := strings.Cut(string(text), h.link+":")
	fields := strings.Fields(line)
	if !found || len(fields) < 9 {
		return 0, 0, fmt.Errorf("/proc/self/net/dev has no counters of %s", h.link)
	}
	from, err = strconv.ParseInt(fields[0], 10, 64)
	to, second := strconv.ParseInt(fields[8], 10, 64)
	return from, to, errors.Join(err, second)
}

func (h *host) close() error {
	err := h.holder.Process.Kill()
	var exit *exec.ExitError
	if waited := h.holder.Wait(); waited != nil && !errors.As(waited, &exit) {
		err = errors.Join(err, waited)
	}
	if errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}
