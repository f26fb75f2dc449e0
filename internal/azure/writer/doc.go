// Package writer changes resources of a stamp: it puts, deletes and calls actions, and
// waits until the stamp says that a change is complete.
//
// # When a change is complete
//
// A resource manager answers a change at once, or accepts it and names an address that
// tells how far it is: Azure-AsyncOperation, whose status ends with Succeeded, Failed or
// Canceled, else Location, which answers 202 until it is done. After either, the resource
// itself is read until its provisioningState is final, since managers answer from a cache.
// An operation that nobody knows any more, as after a restart, is passed over: the resource
// itself tells. All of that is bounded by Options.Patience.
//
// Only package restore's restorers use it. Faults have TARGET_… codes: TARGET_REFUSED and
// TARGET_ACCESS_DENIED for what repeating does not mend, the others for what may pass.
// Start reading at [Resources.Put].
package writer
