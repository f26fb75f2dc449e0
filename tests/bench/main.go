package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"infrabackup/tests/lab"
	"infrabackup/tests/lab/distance"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	isChild, err := child(ctx)
	if !isChild {
		err = run(ctx)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	sizeMiB, items, resources, runs int
	ram, bin, only                  string
	memory                          []int // resources of the stamps whose capture's memory is measured
}

// sections are the parts of a measurement that can be asked for alone.
var sections = []string{"share", "far", "directory", "serve", "stamp", "memory"}

func parse() (o options, err error) {
	flag.IntVar(&o.sizeMiB, "size-mib", 2048, "size of the incompressible data set")
	flag.IntVar(&o.items, "items", 10_000, "files in the many-small-items data set, 2 KiB each")
	flag.IntVar(&o.resources, "resources", 10_000, "resources of the stamp")
	flag.IntVar(&o.runs, "runs", 3, "runs of each contender; the median counts")
	flag.StringVar(&o.ram, "ram", "/dev/shm/infrabackup-bench", "folder on a RAM disk")
	flag.StringVar(&o.bin, "bin", "bin", "folder with the product's binaries")
	flag.StringVar(&o.only, "only", "", "one of "+strings.Join(sections, ", ")+"; all when empty")
	memory := flag.String("memory", "10,1000,100000,1000000", "resources of the stamps whose capture's memory is measured; a million takes a quarter of an hour")
	flag.Parse()
	for size := range strings.SplitSeq(*memory, ",") {
		n, err := strconv.Atoi(size)
		if err != nil || n < 1 {
			return o, fmt.Errorf("%q is no number of resources", size)
		}
		o.memory = append(o.memory, n)
	}
	if o.sizeMiB < 1 || o.items < 1 || o.resources < 1 || o.runs < 1 {
		return o, errors.New("sizes and runs are at least 1")
	}
	if o.only != "" && !slices.Contains(sections, o.only) {
		return o, fmt.Errorf("there is no section %q", o.only)
	}
	return o, nil
}

// run measures.
func run(ctx context.Context) (err error) {
	o, err := parse()
	if err != nil {
		return err
	}
	b := &bench{dir: o.ram, runs: o.runs}
	if b.bin, err = filepath.Abs(o.bin); err != nil {
		return err
	}
	if err := os.RemoveAll(o.ram); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.ram)) }()
	watch, err := watchMachine()
	if err != nil {
		return err
	}
	if err := b.measure(ctx, o); err != nil {
		return err
	}
	return b.conclude(watch)
}

// measure takes the sections that were asked for.
func (b *bench) measure(ctx context.Context, o options) error {
	wants := func(section string) bool { return o.only == "" || o.only == section }
	if wants("share") || wants("far") || wants("directory") {
		if err := b.withLab(ctx, o, wants); err != nil {
			return err
		}
	}
	if wants("serve") {
		if err := b.measureServe(ctx, servedResources); err != nil {
			return err
		}
	}
	if wants("stamp") {
		for _, delay := range answerDelays {
			if err := b.measureStamp(ctx, stampInput{Resources: o.resources, Delay: delay}); err != nil {
				return err
			}
		}
	}
	if wants("memory") {
		return b.measureMemory(ctx, o.memory)
	}
	return nil
}

// withLab takes the sections that need real servers.
func (b *bench) withLab(ctx context.Context, o options, wants func(section string) bool) (err error) {
	if b.lab, err = lab.Start(ctx, lab.Options{Dir: b.dir, Seed: 7, ADUsers: 10, Out: os.Stderr}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.lab.Stop(ctx)) }()
	if wants("share") {
		if err := errors.Join(b.measureBlob(ctx, o.sizeMiB), b.measureItems(ctx, o.items)); err != nil {
			return err
		}
	}
	if wants("far") {
		if err := b.measureFarAway(ctx); err != nil {
			return err
		}
	}
	if wants("directory") {
		return b.measureDirectory(ctx)
	}
	return nil
}

// servedResources are those of the stamp that is backed up while the API is read.
const servedResources = 1000

// bench is one run of the program.
type bench struct {
	lab  *lab.Lab
	dir  string
	bin  string
	runs int

	goals []goal
	last  time.Duration // our median of the comparison before

	path string         // of the share, when it is not the lab's own
	link *distance.Link // to it, when it is far away
}

// sharePath is the share as Windows names it.
func (b *bench) sharePath() string { return cmp.Or(b.path, b.lab.FileServer().UNC()) }

// requestCount is how many requests a share that is far away got so far.
func (b *bench) requestCount() int64 {
	if b.link == nil {
		return 0
	}
	return b.link.Count().Requests
}

// figure is what one run of a contender cost.
type figure struct {
	wall   time.Duration
	memory int64         // peak of our worker in bytes, 0 for others
	cpu    time.Duration // of worker, its children and the file server, 0 for others

	requests int64 // to a share that is far away
}

// contender is one way to get the data onto the share.
type contender struct {
	name    string
	program string  // that must be installed, empty for our own
	limit   float64 // what our figure may be of this one's, 0 when that is no goal

	cpuLimit float64 // seconds that ours may take, 0 when that is no goal
	run      func(ctx context.Context, n int) (figure, error)
}

// atMost makes a goal of how our figure compares with this one's.
func (c contender) atMost(ratio float64) contender {
	c.limit = ratio
	return c
}

// withCPU makes a goal of our processor time.
func (c contender) withCPU(seconds float64) contender {
	c.cpuLimit = seconds
	return c
}

// compare runs the contenders in turn, several times, and prints medians and ratios
// against each of them.
func (b *bench) compare(ctx context.Context, title string, bytes int64, contenders []contender) error {
	fmt.Printf("\n## %s\n\n", title)
	figures := map[string][]figure{}
	var present []contender
	for _, c := range contenders {
		if c.program != "" && !installed(c.program) {
			fmt.Printf("- %s is not installed, so %q is missing\n", c.program, c.name)
			continue
		}
		present = append(present, c)
	}
	for n := range b.runs {
		for _, c := range present {
			f, err := c.run(ctx, n)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			figures[c.name] = append(figures[c.name], f)
			fmt.Fprintf(os.Stderr, "bench: %s, run %d: %.2f s\n", c.name, n+1, f.wall.Seconds())
		}
	}
	ours := median(figures[present[0].name])
	fmt.Println("| contender | median s | min–max s | MB/s | CPU s, with the file server | our peak MiB | whole backup / this |")
	fmt.Println("|---|---|---|---|---|---|---|")
	for _, c := range present {
		all := figures[c.name]
		m := median(all)
		fmt.Printf("| %s | %.2f | %.2f–%.2f | %.0f | %.1f | %.0f | %.2f |\n", c.name, m.Seconds(), shortest(all).Seconds(), longest(all).Seconds(),
			float64(bytes)/1e6/m.Seconds(), cpu(all).Seconds(), float64(peak(all))/(1<<20), ours.Seconds()/m.Seconds())
		if c.limit > 0 {
			b.goals = append(b.goals, goal{title, ours.Seconds(), "s", c.name, m.Seconds(), c.limit})
		}
	}
	b.last = ours
	own := figures[present[0].name]
	if present[0].cpuLimit > 0 {
		b.goals = append(b.goals, goal{title, cpu(own).Seconds(), "CPU s", "", 0, present[0].cpuLimit})
	}
	if most := peak(own); most > 0 {
		b.goals = append(b.goals, goal{title, float64(most) / (1 << 20), "MiB of the worker", "", 0, maxWorkerMiB})
	}
	return nil
}

// cpu is the median.
func cpu(all []figure) time.Duration {
	var out []time.Duration
	for _, f := range all {
		out = append(out, f.cpu)
	}
	slices.Sort(out)
	return out[len(out)/2]
}

func walls(all []figure) []time.Duration {
	var out []time.Duration
	for _, f := range all {
		out = append(out, f.wall)
	}
	slices.Sort(out)
	return out
}

func median(all []figure) time.Duration   { return walls(all)[len(all)/2] }
func shortest(all []figure) time.Duration { return walls(all)[0] }
func longest(all []figure) time.Duration  { return walls(all)[len(all)-1] }

func peak(all []figure) int64 {
	var most int64
	for _, f := range all {
		most = max(most, f.memory)
	}
	return most
}

// unc is the share in smbclient's notation.
func (b *bench) unc() string { return strings.ReplaceAll(b.sharePath(), `\`, "/") }
