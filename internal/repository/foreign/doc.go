// Package foreign tells by its name what an entry is that lies in a folder of an
// instance and is not one of the product's files: harmless, as what file servers,
// desktops and people leave everywhere, or a finding, because a program or a person
// could take it for a part of what a backup is. The rules are those of FORMAT.md,
// "What else lies in these folders". Start reading at [Place.Resembles].
package foreign
