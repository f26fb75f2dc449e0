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

	"infrabackup/tests/lab/distance"
)

// countingAddress is where the share is seen by the runs in which requests are counted.
const countingAddress = "127.0.0.71"

// figure is what one run of a contender cost.
type figure struct {
	wall   time.Duration
	memory int64         // peak of our worker in bytes, 0 for others
	cpu    time.Duration // of the contender, its children and the file server, 0 when that is not known
	count  distance.Count
}

// contender is one way to do what is compared.
type contender struct {
	name    string
	program string  // that must be installed, empty for our own
	limit   float64 // what our figure may be of this one's, 0 when that is no goal

	cpuLimit  float64 // seconds that ours may take, 0 when that is no goal
	countable bool    // it goes to the bench's path of the share, whatever that is at the moment
	run       func(ctx context.Context, n int) (figure, error)
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

// counted has one more run, which counts for nothing else, count requests and bytes.
func (c contender) counted() contender {
	c.countable = true
	return c
}

// outcome is what a contender needed.
type outcome struct {
	contender
	figures []figure
}

// compare runs the contenders in turn, several times, and prints medians and ratios
// against each of them. It returns those that are installed; ours is the first.
func (b *bench) compare(ctx context.Context, title string, bytes int64, contenders []contender) ([]outcome, error) {
	fmt.Printf("\n## %s\n\n", title)
	var all []outcome
	for _, c := range contenders {
		if c.program != "" && !installed(c.program) {
			fmt.Printf("- %s is not installed, so %q is missing\n", c.program, c.name)
			continue
		}
		all = append(all, outcome{contender: c})
	}
	watch, err := watchMachine()
	if err != nil {
		return nil, err
	}
	for n := range b.runs {
		for i := range all {
			f, err := all[i].run(ctx, n)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", all[i].name, err)
			}
			all[i].figures = append(all[i].figures, f)
			fmt.Fprintf(os.Stderr, "bench: %s, run %d: %.2f s\n", all[i].name, n+1, f.wall.Seconds())
		}
	}
	if b.link == nil {
		if err := b.count(ctx, all); err != nil {
			return nil, err
		}
	}
	ours := median(all[0].figures)
	fmt.Println("| contender | median s | min–max s | MB/s | CPU s, with the file server | our peak MiB | requests | MiB to the share | MiB from it | ours / this |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|")
	for _, o := range all {
		m := median(o.figures)
		fmt.Printf("| %s | %.2f | %.2f–%.2f | %s | %s | %s | %s | %.2f |\n", o.name, m.Seconds(), shortest(o.figures).Seconds(), longest(o.figures).Seconds(),
			known(float64(bytes)/1e6/m.Seconds(), 0), known(cpu(o.figures).Seconds(), 1), known(float64(peak(o.figures))/mib, 0), passing(o.figures), ours.Seconds()/m.Seconds())
		if o.limit > 0 {
			b.goals = append(b.goals, goal{title, ours.Seconds(), "s", o.name, m.Seconds(), o.limit})
		}
	}
	own := all[0]
	if own.cpuLimit > 0 {
		b.goals = append(b.goals, goal{title, cpu(own.figures).Seconds(), "CPU s", "", 0, own.cpuLimit})
	}
	if most := peak(own.figures); most > 0 {
		b.goals = append(b.goals, goal{title, float64(most) / mib, "MiB of the worker", "", 0, maxWorkerMiB})
	}
	return all, watch.print()
}

// count has those contenders run once more that can be sent over a link, which takes time
// of its own, so that only requests and bytes of that run are used.
func (b *bench) count(ctx context.Context, all []outcome) error {
	if !slices.ContainsFunc(all, func(o outcome) bool { return o.countable }) {
		return nil
	}
	return b.linked(countingAddress, 0, func() error {
		for _, o := range all {
			if !o.countable {
				continue
			}
			f, err := o.run(ctx, b.runs)
			if err != nil {
				return fmt.Errorf("%s, to count its requests: %w", o.name, err)
			}
			o.figures[0].count = f.count
		}
		return nil
	})
}

// linked does something while the share is seen through a link, at an address of its own.
func (b *bench) linked(address string, roundTrip time.Duration, do func() error) (err error) {
	parts := strings.Split(b.lab.FileServer().UNC(), `\`)
	link, err := distance.Open(distance.Options{Listen: address + ":445", Target: parts[2] + ":445", RoundTrip: roundTrip})
	if err != nil {
		return err
	}
	parts[2] = address
	b.link, b.path = link, strings.Join(parts, `\`)
	defer func() { b.link, b.path = nil, ""; err = errors.Join(err, link.Close()) }()
	return do()
}

// known is a figure, or that there is none.
func known(value float64, digits int) string {
	if value == 0 {
		return "–"
	}
	return fmt.Sprintf("%.*f", digits, value)
}

// passing are the cells with requests and bytes of the run that asked most.
func passing(all []figure) string {
	count := mostRequests(all)
	if count.Requests == 0 {
		return "– | – | –"
	}
	return fmt.Sprintf("%d | %.2f | %.2f", count.Requests, float64(count.Sent)/mib, float64(count.Received)/mib)
}

func mostRequests(all []figure) distance.Count {
	return slices.MaxFunc(all, func(a, b figure) int { return cmp.Compare(a.count.Requests, b.count.Requests) }).count
}

// cpu is the median.
func cpu(all []figure) time.Duration {
	return middleOf(all, func(f figure) time.Duration { return f.cpu })
}

func wallOf(f figure) time.Duration { return f.wall }

func middleOf(all []figure, of func(figure) time.Duration) time.Duration {
	return sorted(all, of)[len(all)/2]
}

func sorted(all []figure, of func(figure) time.Duration) []time.Duration {
	var out []time.Duration
	for _, f := range all {
		out = append(out, of(f))
	}
	slices.Sort(out)
	return out
}

func median(all []figure) time.Duration   { return middleOf(all, wallOf) }
func shortest(all []figure) time.Duration { return sorted(all, wallOf)[0] }
func longest(all []figure) time.Duration  { return sorted(all, wallOf)[len(all)-1] }

func peak(all []figure) int64 {
	var most int64
	for _, f := range all {
		most = max(most, f.memory)
	}
	return most
}
