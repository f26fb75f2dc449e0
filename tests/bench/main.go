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
	ram, bin, profiles              string
	only                            []string // sections; all when empty
	memory                          []int    // resources of the stamps whose capture's memory is measured
}

// sections are the parts of a measurement that can be asked for alone.
var sections = []string{"share", "verify", "extract", "rewrap", "far", "directory", "recover", "serve", "stamp", "memory"}

// labSections are those that need real servers.
var labSections = sections[:7]

func parse() (o options, err error) {
	flag.IntVar(&o.sizeMiB, "size-mib", 2048, "size of the incompressible data set")
	flag.IntVar(&o.items, "items", 10_000, "files in the many-small-items data set, 2 KiB each")
	flag.IntVar(&o.resources, "resources", 10_000, "resources of the stamp")
	flag.IntVar(&o.runs, "runs", 3, "runs of each contender; the median counts")
	flag.StringVar(&o.ram, "ram", "/dev/shm/infrabackup-bench", "folder on a RAM disk")
	flag.StringVar(&o.bin, "bin", "bin", "folder with the product's binaries")
	only := flag.String("only", "", "some of "+strings.Join(sections, ",")+"; all when empty")
	flag.StringVar(&o.profiles, "profiles", "", "folder, emptied before, for processor profiles of a worker and its children during one more whole backup; none when empty")
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
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	for _, section := range o.only {
		if !slices.Contains(sections, section) {
			return o, fmt.Errorf("there is no section %q", section)
		}
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
	if o.profiles != "" {
		if b.profiles, err = filepath.Abs(o.profiles); err != nil {
			return err
		}
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
	wants := func(section string) bool { return len(o.only) == 0 || slices.Contains(o.only, section) }
	if slices.ContainsFunc(labSections, wants) {
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
	if wants("verify") || wants("extract") {
		if err := b.measureReading(ctx, o.sizeMiB, o.items, wants); err != nil {
			return err
		}
	}
	if wants("rewrap") {
		if err := b.measureRewrap(ctx); err != nil {
			return err
		}
	}
	if wants("far") {
		if err := b.measureFarAway(ctx); err != nil {
			return err
		}
	}
	if wants("directory") {
		if err := b.measureDirectory(ctx); err != nil {
			return err
		}
	}
	if wants("recover") {
		return b.measureRecover(ctx)
	}
	return nil
}

// servedResources are those of the stamp that is backed up while the API is read.
const servedResources = 1000

// bench is one run of the program.
type bench struct {
	products int // so many instances were made: none is used twice
	lab      *lab.Lab
	dir      string
	bin      string
	runs     int

	profiles string // folder for processor profiles, empty for none

	goals []goal

	path string         // of the share, when it is not the lab's own
	link *distance.Link // to it, when what passes is counted
}

// sharePath is the share as Windows names it.
func (b *bench) sharePath() string { return cmp.Or(b.path, b.lab.FileServer().UNC()) }

// passed is what has gone over a share's link so far, nothing when there is none.
func (b *bench) passed() distance.Count {
	if b.link == nil {
		return distance.Count{}
	}
	return b.link.Count()
}
