package restoretest

import (
	"context"
	"encoding/json"
	"sync"

	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
)

// Journal keeps a restore's journal in memory, as JSON, as one on a disk would.
type Journal struct {
	// Fail, when not nil, is asked before each write.
	Fail func(what string, batch int) error

	mu       sync.Mutex
	before   map[int][]byte
	outcomes map[int][]byte
}

// PutBefore implements [restore.Journal].
func (j *Journal) PutBefore(_ context.Context, batch int, before []restore.Before) error {
	return j.put("before", &j.before, batch, before)
}

// PutOutcome implements [restore.Journal].
func (j *Journal) PutOutcome(_ context.Context, batch int, outcomes []restore.Outcome) error {
	return j.put("outcome", &j.outcomes, batch, outcomes)
}

func (j *Journal) put(what string, to *map[int][]byte, batch int, value any) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.Fail != nil {
		if err := j.Fail(what, batch); err != nil {
			return err
		}
	}
	if _, ok := (*to)[batch]; ok {
		return fault.Newf(fault.JournalInvalid, "%s of batch %d is there already", what, batch)
	}
	if *to == nil {
		*to = map[int][]byte{}
	}
	data, err := json.Marshal(value)
	(*to)[batch] = data
	return err
}

// Before implements [restore.Journal].
func (j *Journal) Before(_ context.Context, batch int) (before []restore.Before, ok bool, err error) {
	ok, err = j.get(&j.before, batch, &before)
	return before, ok, err
}

// Outcome implements [restore.Journal].
func (j *Journal) Outcome(_ context.Context, batch int) (outcomes []restore.Outcome, ok bool, err error) {
	ok, err = j.get(&j.outcomes, batch, &outcomes)
	return outcomes, ok, err
}

func (j *Journal) get(from *map[int][]byte, batch int, value any) (bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	data, ok := (*from)[batch]
	if !ok {
		return false, nil
	}
	return true, json.Unmarshal(data, value)
}
