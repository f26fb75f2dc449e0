package conformance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

// Case is one promise of the port.
type Case struct {
	// Name is a short lower-case phrase with hyphens.
	Name string
	// Promise says what the case holds the store to, as a sentence for people.
	Promise string

	check func(ctx context.Context, store share.Store, folder string) error
}

// Check holds store to the promise, within folder, which exists and is empty.
// What it leaves there is removed by the caller.
func (c Case) Check(ctx context.Context, store share.Store, folder string) error {
	return c.check(ctx, store, folder)
}

// Result is how a store did in one case.
type Result struct {
	Name     string
	Promise  string
	Err      error // nil when the promise was kept
	Duration time.Duration
}

const (
	// atOnce is how many cases are tried at a time: most wait for the server's answers.
	atOnce = 8
	// triedAtOnce is the same for [Try], where more connections would not be worth their logins.
	triedAtOnce = 6
)

// Run checks every case, several at a time, each in a folder of its own below scratch, a
// path that must not exist yet, or hold nothing but what an earlier run has left there.
// Scratch, and those of its parents that Run had to make, are removed at the end; the last result, "clean-up", tells whether that
// worked, also when ctx has ended before.
func Run(ctx context.Context, store share.Store, scratch string) []Result {
	return run(ctx, store, scratch, Cases(), atOnce)
}

// Try is Run of what a server may keep from a backup, with a fraction of the requests: what
// an operator has to know of a share, which may be far away.
func Try(ctx context.Context, store share.Store, scratch string) []Result {
	return run(ctx, store, scratch, ofServer(), triedAtOnce)
}

func run(ctx context.Context, store share.Store, scratch string, cases []Case, atOnce int) []Result {
	var made []string
	results := []Result{timed("scratch-folder", "A new folder can be created for the checks.", func() (err error) {
		made, err = makeScratch(ctx, store, scratch)
		return err
	})}
	if results[0].Err == nil {
		of := make([]Result, len(cases))
		var group errgroup.Group
		group.SetLimit(atOnce)
		for i, c := range cases {
			folder := scratch + "/" + c.Name
			group.Go(func() error {
				of[i] = timed(c.Name, c.Promise, func() error {
					if err := store.MkdirAll(ctx, folder); err != nil {
						return err
					}
					return c.Check(ctx, store, folder)
				})
				return nil
			})
		}
		_ = group.Wait() // each error is in its result
		results = append(results, of...)
	}
	return append(results, timed("clean-up", "What the checks have written can be removed.", func() error {
		return cleanUp(ctx, store, made)
	}))
}

func timed(name, promise string, f func() error) Result {
	start := time.Now()
	err := f()
	return Result{Name: name, Promise: promise, Err: err, Duration: time.Since(start)}
}

// makeScratch makes the folder and returns which folders are new, outermost
// first.
func makeScratch(ctx context.Context, store share.Store, scratch string) ([]string, error) {
	if err := share.CheckPath(scratch); err != nil {
		return nil, err
	}
	var missing []string
	var info share.Info
	elements := strings.Split(scratch, "/")
	for i := range elements {
		folder := strings.Join(elements[:i+1], "/")
		var err error
		info, err = store.Stat(ctx, folder)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, folder)
		case err != nil:
			return nil, err
		}
	}
	if len(missing) == 0 {
		if info.IsDir {
			if left, err := leftOver(ctx, store, scratch); err != nil || left {
				return []string{scratch}, err
			}
		}
		return nil, fault.New(fault.ShareExists, "the scratch folder "+scratch+" is there already", fs.ErrExist)
	}
	return missing, store.MkdirAll(ctx, scratch)
}

// leftOver reports whether a folder is what an interrupted run has left, and removes what
// is in it: nothing but folders with the names of cases.
func leftOver(ctx context.Context, store share.Store, folder string) (bool, error) {
	entries, strangers, err := scan(ctx, store, folder)
	if err != nil || len(strangers) > 0 {
		return false, err
	}
	for _, entry := range entries {
		if !entry.IsDir || !isCase(entry.Name) {
			return false, nil
		}
	}
	return true, clearEntries(ctx, store, folder, entries)
}

// scan lists a folder and its strangers, at once where the store can.
func scan(ctx context.Context, store share.Store, folder string) (entries []share.Info, strangers []string, err error) {
	if scanner, ok := store.(share.Scanner); ok {
		return scanner.Scan(ctx, folder)
	}
	if entries, err = store.List(ctx, folder); err != nil {
		return nil, nil, err
	}
	strangers, err = store.Strangers(ctx, folder)
	return entries, strangers, err
}

func isCase(name string) bool {
	return slices.ContainsFunc(Cases(), func(c Case) bool { return c.Name == name })
}

// Sweep removes what runs that were interrupted have left in folders of the store whose
// names begin with prefix, other than own, when they have not changed for longer than age
// by the share's clock, of which own's last change is a recent reading.
func Sweep(ctx context.Context, store share.Store, prefix, own string, age time.Duration) error {
	now, err := store.Stat(ctx, own)
	if err != nil {
		return err
	}
	entries, err := store.List(ctx, "")
	if err != nil {
		return err
	}
	var failures []error
	for _, entry := range entries {
		if !entry.IsDir || entry.Name == own || !strings.HasPrefix(entry.Name, prefix) || now.Modified.Sub(entry.Modified) < age {
			continue
		}
		left, err := leftOver(ctx, store, entry.Name)
		if left && err == nil {
			err = store.Remove(ctx, entry.Name)
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

const (
	// cleanUpTime bounds the removal of what was made, and comesBack how long of it a server that has
	// gone away meanwhile is waited for, with looks this far apart.
	cleanUpTime = time.Minute
	comesBack   = 15 * time.Second
	looksApart  = time.Second
)

// cleanUp removes the folders that makeScratch made, the innermost with all that
// is in it. It outlives ctx by a bounded time.
func cleanUp(ctx context.Context, store share.Store, made []string) error {
	if len(made) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	for until := time.Now().Add(comesBack); ; {
		err := removeAll(ctx, store, made)
		if err == nil || !fault.CodeOf(err).Retryable() || time.Now().After(until) {
			return err
		}
		timer := time.NewTimer(looksApart)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

func removeAll(ctx context.Context, store share.Store, made []string) error {
	err := Clear(ctx, store, made[len(made)-1])
	for i := len(made) - 1; i >= 0; i-- {
		if removeErr := store.Remove(ctx, made[i]); removeErr != nil && !errors.Is(removeErr, fs.ErrNotExist) {
			return errors.Join(err, removeErr)
		}
	}
	return err
}

// Clear removes everything in a folder, but not the folder. It goes on after a
// failure and returns all of them.
func Clear(ctx context.Context, store share.Store, folder string) error {
	entries, err := store.List(ctx, folder)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return clearEntries(ctx, store, folder, entries)
}

// clearEntries removes what a folder was listed with, several at a time.
func clearEntries(ctx context.Context, store share.Store, folder string, entries []share.Info) error {
	failures := make([]error, len(entries))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, entry := range entries {
		group.Go(func() error {
			path := folder + "/" + entry.Name
			if entry.IsDir {
				failures[i] = Clear(ctx, store, path)
			}
			if err := store.Remove(ctx, path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				failures[i] = errors.Join(failures[i], err)
			}
			return nil
		})
	}
	_ = group.Wait() // each error is among the failures
	return errors.Join(failures...)
}

// broken makes a case's own finding: the store did something else than promised.
func broken(format string, args ...any) error {
	return fault.New(fault.ShareIO, "the share does not keep the contract", fmt.Errorf(format, args...))
}
