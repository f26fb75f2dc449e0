package rows

import (
	"net/url"
	"strconv"

	"infrabackup/internal/apierror"
)

// Usual is how many rows a page has where it is not said.
const Usual = 100

// Of returns the number of the first row, at most last, and how many are wanted at most, 1 to most.
// An error is in the form of the API.
func Of(query url.Values, last, most int) (from, count int, err error) {
	count = min(Usual, most)
	for _, number := range []struct {
		name            string
		to              *int
		lowest, highest int
	}{{"from", &from, 0, last}, {"count", &count, 1, most}} {
		text := query.Get(number.name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < number.lowest || n > number.highest {
			return 0, 0, Refused(number.name, "is not a number from "+strconv.Itoa(number.lowest)+" to "+strconv.Itoa(number.highest))
		}
		*number.to = n
	}
	return from, count, nil
}

// Refused is the answer to a query with a parameter that cannot be used.
func Refused(name, what string) error {
	return apierror.BadValue("InvalidQueryParameter", name, "The query parameter '"+name+"' "+what+".", "Correct the address and send the request again.")
}
