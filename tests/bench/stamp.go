package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"infrabackup/internal/backup"
)

// stampServices are the services of a stamp, in capture order.
var stampServices = []backup.Service{backup.ARM, backup.CRP, backup.SRP, backup.NRP, backup.KeyVault, backup.RBAC}

// answerDelays are how long the stamp takes for each answer beyond its own work: not at
// all, so that the processors decide, and what a stamp in a network takes at least, so
// that it counts how many requests are under way.
var answerDelays = []time.Duration{0, 5 * time.Millisecond}

// measureStamp compares the capture of a stamp with nothing but reading it: the same
// lists and documents, each once, by azcore alone. Stamp, capture and reader are
// processes of their own, so that memory and processor time are told apart.
func (b *bench) measureStamp(ctx context.Context, input stampInput) (err error) {
	server, err := startStamp(ctx, input)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	wanted, err := b.requestsOf(ctx, server)
	if err != nil {
		return err
	}
	contenders := []stampContender{
		{name: "capture of all six services", run: func(ctx context.Context) (cost, error) { return b.capture(ctx, server, stampServices) }},
		{name: "azcore, one request at a time for a service", run: func(ctx context.Context) (cost, error) { return read(ctx, server, wanted, 1) }},
		{name: "azcore, four requests at a time for a service", run: func(ctx context.Context) (cost, error) { return read(ctx, server, wanted, 4) }},
	}
	fmt.Printf("\n## Reading a stamp of %d resources, each answer delayed by %s: %d documents, %d objects in vaults\n\n", input.Resources, input.Delay, server.Documents, server.VaultObjects)
	return b.race(ctx, server, contenders)
}

// stampContender is one way to read a stamp.
type stampContender struct {
	name string
	run  func(ctx context.Context) (cost, error)
}

// cost is what reading a stamp took.
type cost struct {
	Wall     time.Duration
	CPU      time.Duration // of the process, and of its children, which encrypt
	Items    int64         // captured, 0 for a reader
	Bytes    int64         // of the parts, or of the answers
	Memory   int64         // peak of the process itself, without its children
	requests int
	stamp    time.Duration // processor time of the stamp
}

// race runs the contenders in turn, several times, and prints medians and the speed of
// the first, the capture, against each. A round that is not measured comes before: a
// first run is often slower than those that follow, whoever's it is.
//
// What else a machine does changes from minute to minute, and runs next to each other
// share it. So speeds are also compared pair by pair, within each round.
func (b *bench) race(ctx context.Context, server *stampProcess, contenders []stampContender) error {
	costs := make([][]cost, len(contenders)) // in the order of rounds
	for round := range b.runs + 1 {
		for i, c := range contenders {
			one, err := c.run(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			load, err := server.load()
			if err != nil {
				return err
			}
			one.requests, one.stamp = len(load.Requests), load.CPU
			label := "warm-up"
			if round > 0 {
				costs[i] = append(costs[i], one)
				label = fmt.Sprintf("run %d", round)
			}
			fmt.Fprintf(os.Stderr, "bench: %s, %s: %.2f s, %d requests\n", c.name, label, one.Wall.Seconds(), one.requests)
		}
	}
	fmt.Println("| contender | median s | min–max s | requests | requests/s | CPU s | CPU s of the stamp | peak MiB | speed of the capture / this | pair by pair: median, lowest |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|")
	ours := middle(costs[0])
	for i, c := range contenders {
		sorted := byTime(costs[i])
		m := middle(costs[i])
		median, lowest := pairwise(costs[0], costs[i])
		fmt.Printf("| %s | %.2f | %.2f–%.2f | %d | %.0f | %.2f | %.2f | %.0f | %.2f | %.2f, %.2f |\n", c.name, m.Wall.Seconds(),
			sorted[0].Wall.Seconds(), sorted[len(sorted)-1].Wall.Seconds(), m.requests, float64(m.requests)/m.Wall.Seconds(), m.CPU.Seconds(), m.stamp.Seconds(),
			float64(most(costs[i]))/mib, m.Wall.Seconds()/ours.Wall.Seconds(), median, lowest)
	}
	return nil
}

// byTime returns all with the shortest first, and leaves all in the order of rounds.
func byTime(all []cost) []cost {
	return slices.SortedFunc(slices.Values(all), func(a, b cost) int { return cmp.Compare(a.Wall, b.Wall) })
}

// middle returns the median by time.
func middle(all []cost) cost { return byTime(all)[len(all)/2] }

// pairwise returns how much faster the capture was than a contender in the same round:
// the median of all rounds, and the lowest.
func pairwise(capture, contender []cost) (median, lowest float64) {
	speeds := make([]float64, len(capture))
	for n := range capture {
		speeds[n] = contender[n].Wall.Seconds() / capture[n].Wall.Seconds()
	}
	slices.Sort(speeds)
	return (speeds[(len(speeds)-1)/2] + speeds[len(speeds)/2]) / 2, speeds[0]
}

func most(all []cost) int64 {
	var memory int64
	for _, one := range all {
		memory = max(memory, one.Memory)
	}
	return memory
}

// measureMemory captures stamps of several sizes once each. None of them may need what a
// worker does not have.
func (b *bench) measureMemory(ctx context.Context, sizes []int) error {
	fmt.Print("\n## Memory of a capture\n\n| resources | items | s | our peak MiB |\n|---|---|---|---|\n")
	for _, resources := range sizes {
		one, err := b.captureOnce(ctx, resources)
		if err != nil {
			return err
		}
		peak := float64(one.Memory) / mib
		fmt.Printf("| %d | %d | %.2f | %.0f |\n", resources, one.Items, one.Wall.Seconds(), peak)
		b.goals = append(b.goals, goal{figure: fmt.Sprintf("memory of a capture of %d resources", resources), ours: peak, unit: "MiB", limit: maxWorkerMiB})
	}
	return nil
}

func (b *bench) captureOnce(ctx context.Context, resources int) (one cost, err error) {
	server, err := startStamp(ctx, stampInput{Resources: resources})
	if err != nil {
		return one, err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	return b.capture(ctx, server, stampServices)
}

// requestsOf captures service by service and returns what was asked for, each request
// for the service that asked first. What serves the capture's second look alone is left
// out: the resource manager's own list of resources.
func (b *bench) requestsOf(ctx context.Context, server *stampProcess) (map[backup.Service][]request, error) {
	known := map[string]bool{}
	wanted := map[backup.Service][]request{}
	for _, service := range stampServices {
		if _, err := b.capture(ctx, server, []backup.Service{service}); err != nil {
			return nil, err
		}
		load, err := server.load()
		if err != nil {
			return nil, err
		}
		for _, r := range load.Requests {
			if key := r.Method + r.URL; r.Authorized && !known[key] && !secondLook(r) {
				known[key] = true
				wanted[service] = append(wanted[service], r)
			}
		}
	}
	return wanted, nil
}

// secondLook reports whether a request is for /subscriptions/{s}/resources.
func secondLook(r request) bool {
	path, _, _ := strings.Cut(r.URL, "?")
	return strings.HasSuffix(path, "/resources") && strings.Count(path, "/") == 5
}
