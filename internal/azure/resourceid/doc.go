// Package resourceid reads the IDs of resources. Stamps write one ID in several ways:
// [Normal] is the form in which it is asked for, [Key] that in which IDs are compared, and
// [Escape] that of a URL. [Subscription], [Group], [Type] and [Name] are what an ID says.
//
// It is given text and returns text, whatever the text is: it asks nothing, and refuses
// nothing. How long an ID may be ([MaxBytes]) is held by those that get one.
//
// Start reading at [Normal].
package resourceid
