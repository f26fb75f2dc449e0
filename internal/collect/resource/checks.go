package resource

// check is one of the checks that each find one kind of short part. The pending set finds
// what they find too, later and in less helpful words; tests switch them off to prove
// that.
type check uint

const (
	checkAllOffers       check = 1 << iota // what is offered is asked for every subscription
	checkIndexedTypes                      // an entry of the index counts, whatever its type is called
	checkSingleAnswer                      // a single answer is what was asked for
	checkNowhere                           // a row that was asked nowhere is a gap
	checkIndexedNotFound                   // an entry of the index that cannot be read is a gap
	checkContainer                         // what is said to be gone is asked for
	checkEndpoint                          // the endpoint is part of an item's identity
	checkFuller                            // of two documents the fuller one stays
	checkResources                         // scopes below the subscription are asked
	checkChildren                          // what may lie below unknown types is a gap
)

// checks reports whether a check is made.
func (w *Walk) checks(c check) bool { return w.without&c == 0 }

// ChecksAnswers reports whether single answers are checked to be what was asked for, as
// they always are outside of tests.
func (w *Walk) ChecksAnswers() bool { return w.checks(checkSingleAnswer) }
