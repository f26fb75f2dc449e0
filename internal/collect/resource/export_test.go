package resource

// What tests switch off, to see that the pending set finds what the checks find.
const (
	CheckAllOffers       = checkAllOffers
	CheckIndexedTypes    = checkIndexedTypes
	CheckSingleAnswer    = checkSingleAnswer
	CheckNowhere         = checkNowhere
	CheckIndexedNotFound = checkIndexedNotFound
	CheckContainer       = checkContainer
	CheckEndpoint        = checkEndpoint
	CheckFuller          = checkFuller
	CheckResources       = checkResources
	CheckChildren        = checkChildren
)

// Check is one of these.
type Check = check

// Without leaves out a check.
func (c *Collector) Without(left Check) *Collector {
	c.without = left
	return c
}
