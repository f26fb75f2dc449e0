package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"infrabackup/tests/lab"
)

// maxWorkerMiB is what a worker may need, whatever it captures.
const maxWorkerMiB = 256

// goal is one figure beside what it is to be.
type goal struct {
	figure string
	ours   float64
	unit   string
	peer   string  // what it is compared with in the same run; empty for a figure that stands for itself
	theirs float64 // the peer's, in the same unit
	limit  float64 // of our figure divided by the peer's, or of our figure
}

func (g goal) measured() float64 {
	if g.peer == "" {
		return g.ours
	}
	return g.ours / g.theirs
}

func (g goal) String() string {
	theirs, met := "", "no"
	if g.peer != "" {
		theirs = fmt.Sprintf("%s: %.2f", g.peer, g.theirs)
	}
	if g.measured() <= g.limit {
		met = "yes"
	}
	return fmt.Sprintf("| %s, %s | %.2f | %s | %.2f | %.2f | %s |", g.figure, g.unit, g.ours, theirs, g.measured(), g.limit, met)
}

// conclude prints all goals in one table, and how busy the machine was meanwhile.
func (b *bench) conclude(w *machineWatch) error {
	fmt.Printf("\n## Goals\n\n| figure | ours | peer in the same run | figure or ratio | goal, at most | met |\n|---|---|---|---|---|---|\n")
	for _, g := range b.goals {
		fmt.Println(g)
	}
	return w.print()
}

// machineWatch is how busy the machine was since a moment.
type machineWatch struct {
	began time.Time
	busy  time.Duration
}

func watchMachine() (*machineWatch, error) {
	busy, err := lab.BusyTime()
	return &machineWatch{time.Now(), busy}, err
}

func (w *machineWatch) print() error {
	busy, err := lab.BusyTime()
	if err != nil {
		return err
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err
	}
	wall := time.Since(w.began)
	fmt.Printf("\n%d processors were busy for %.0f %% of %s, this program, its peers and servers included; load average now %.14s. Nothing is pinned.\n",
		runtime.NumCPU(), 100*(busy-w.busy).Seconds()/wall.Seconds()/float64(runtime.NumCPU()), wall.Round(time.Second), load)
	return nil
}
