package restores

import (
	"regexp"

	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/planpage"
	"infrabackup/internal/secret"
)

// Bounds of a question and of its answer.
const (
	// MaxKeys is how many keys a list may be asked for with.
	MaxKeys = 64
	// MaxListed is how many restores a list names.
	MaxListed  = 2000
	maxKeyText = 8 << 10
)

// Input asks for a page of one plan, or, where PlanID is empty, for the list of restores.
type Input struct {
	Instance string `json:"instance"`
	PlanID   string `json:"planId,omitempty"`
	// Keys are those of backups, by the IDs of plans that were made of them: of a page that of its
	// plan, of a list those of the restores about which more than their IDs is to be told.
	Keys    map[string]secret.Transfer `json:"keys,omitempty"`
	Section planpage.Section           `json:"section,omitempty"`
	From    int                        `json:"from,omitempty"`
	Count   int                        `json:"count,omitempty"`
}

// Output is the page or the list.
type Output struct {
	Page *planpage.Page   `json:"page,omitempty"`
	List []restore.Listed `json:"list,omitempty"`
	More bool             `json:"more,omitempty"` // of a list, that there are more than [MaxListed]
}

// planID is the form of a plan's ID.
var planID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// IsPlanID reports whether a text has the form of a plan's ID.
func IsPlanID(text string) bool { return planID.MatchString(text) }

// Check makes sure that a question is one that this product sends to the instance.
func (in Input) Check(instance string) error {
	_, keyed := in.Keys[in.PlanID]
	switch {
	case in.Instance != instance:
		return refused("the request is for the instance %.100q, and this worker serves %s", in.Instance, instance)
	case in.PlanID != "" && (len(in.Keys) != 1 || !keyed):
		return refused("a page needs the key of its plan, and no other")
	case in.PlanID != "" && (!in.Section.Known() || in.From < 0 || in.Count < 1 || in.Count > planpage.MaxRows):
		return refused("there is no such page of a plan")
	case len(in.Keys) > MaxKeys:
		return refused("%d keys came, at most %d are taken", len(in.Keys), MaxKeys)
	}
	for id, key := range in.Keys {
		if !IsPlanID(id) || key.IsZero() || len(key.Reveal()) > maxKeyText {
			return refused("a key or the ID of its plan is none")
		}
	}
	return nil
}

func refused(format string, args ...any) error {
	return fault.Newf(fault.RequestRefused, format, args...)
}
