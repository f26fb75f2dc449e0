// Package jsondiff compares two JSON documents by what they mean: arrays whose elements have
// names are compared by name, lists of IDs as sets, IDs without the case of their letters,
// numbers as they are written, and what [Rules] name is passed over and counted.
//
// Everything else is compared as it is: other arrays by position, null and an absent member
// differ unless a rule gives the member a default, texts byte for byte. What a rule does not
// say is not assumed.
//
// Secrets, by the name of their property or by a rule, become fingerprints while a document is
// read (package redact), and a comparison says only that they differ.
//
// Documents come from outside. They are valid JSON of at most [MaxDepth] levels without a
// member that appears twice, or [Parse] refuses them: two programs would read such a document
// differently. Start reading at [Compile], [Parse] and [Compare].
package jsondiff
