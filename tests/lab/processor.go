package lab

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tick is the unit in which proc(5) tells processor time; the kernel's USER_HZ is 100 on
// every architecture that this runs on.
const tick = time.Second / 100

// Places of a process's values in /proc/PID/stat, from its state on (proc(5)).
const (
	statGroup   = 2  // process group
	statUser    = 11 // then time in the kernel, and both of the children that have ended
	statsOfTime = 4
)

// groupTime is the processor time of all processes of a process group so far, and of their
// children that have ended.
func groupTime(leader int) (used time.Duration, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, entry := range entries {
		fields := statOf(entry.Name()) // nil for what is no process, or has ended
		if len(fields) < statUser+statsOfTime || fields[statGroup] != strconv.Itoa(leader) {
			continue
		}
		ticks, err := sum(fields[statUser:][:statsOfTime])
		if err != nil {
			return 0, fmt.Errorf("the processor time of process %s: %w", entry.Name(), err)
		}
		used += time.Duration(ticks) * tick
	}
	return used, nil
}

// ProcessorTime is what a process has used so far, and its children that have ended.
func ProcessorTime(pid int) (time.Duration, error) {
	fields := statOf(strconv.Itoa(pid))
	if len(fields) < statUser+statsOfTime {
		return 0, fmt.Errorf("process %d does not run", pid)
	}
	ticks, err := sum(fields[statUser:][:statsOfTime])
	return time.Duration(ticks) * tick, err
}

// BusyTime is the processor time that the whole machine has used so far.
func BusyTime() (time.Duration, error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(data), "\n")
	fields := strings.Fields(first) // cpu user nice system idle iowait irq softirq steal
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, errors.New("the system does not tell how busy it is")
	}
	busy := slices.Concat(fields[1:4], fields[6:9])
	ticks, err := sum(busy)
	return time.Duration(ticks) * tick, err
}

func sum(fields []string) (total int64, err error) {
	for _, field := range fields {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}
