// Package pack is the Lua module "pack": values to bytes and back by a format
// of letters, as in PHP and Perl.
package pack

import (
	"swoon/scripting"
)

// Module declares pack.
var Module = scripting.Module{
	Name: "pack",
	Doc: `Values to bytes and back, by a format of letters as in PHP and Perl. Strings are bytes throughout.

| letter | a value of it |
|---|---|
| a A Z | a string of as many bytes as the count says, filled up with zero bytes, with blanks, or with zero bytes of which the last always stands; when read back, A loses blanks and zero bytes at its end, and Z ends at its first zero byte |
| h H | hexadecimal digits, as many as the count says, low half of each byte first, or high half first |
| c C | integer of 1 byte, signed, unsigned |
| s S v n | integer of 2 bytes: signed, unsigned, little endian, big endian |
| i I l L V N | integer of 4 bytes: signed, unsigned (twice), little endian, big endian |
| q Q P J | integer of 8 bytes: signed, unsigned, little endian, big endian |
| f g G | float of 4 bytes: as the machine has it, little endian, big endian |
| d e E | float of 8 bytes: the same |
| x X @ | a zero byte (read: skip a byte), one byte back, zero bytes up to an offset (read: go to it) |

Behind a letter stands a count, 1 if there is none. For strings it is a length, for numbers how many values follow; * is the whole string, or all values that are left. What is signed matters when a value is read only: a value to write may be what fits either way.`,
	Funcs: []scripting.Func{
		{
			Name:    "pack",
			Params:  []scripting.Param{{Name: "format", Type: "string"}, {Name: "...", Type: "any"}},
			Doc:     `The bytes of the values, as the format says: pack.pack("Na*", #body, body). Blanks may stand between letters. A value that does not fit its letter, a missing one and one too many raise an error that names the letter and its position; other than in PHP, nothing is cut to fit.`,
			Returns: "string",
			Fn:      pack,
		},
		{
			Name:    "unpack",
			Params:  []scripting.Param{{Name: "format", Type: "string"}, {Name: "data", Type: "string"}, {Name: "offset", Type: "number?"}},
			Doc:     `The values in data as a table, by names: behind each letter and its count stands a name, and a slash before the next one, as in pack.unpack("Nlen/a*body", data). Several numbers of one letter are called name1, name2 and so on; values without a name are numbered from 1 through the whole format. offset is how many bytes to skip first. What follows the last letter is left alone. Data that does not fit gives false, a reason (too_short, or out_of_range for an 8 byte integer beyond 2^53) and a message.`,
			Returns: "table|false, string?, string?",
			Fn:      unpack,
		},
		{
			Name:    "values",
			Params:  []scripting.Param{{Name: "format", Type: "string"}, {Name: "data", Type: "string"}, {Name: "offset", Type: "number?"}},
			Doc:     `As unpack, but the values come as results, in order: local kind, len = pack.values("C/n", head). Names in the format are passed over.`,
			Returns: "any, ...",
			Fn:      values,
		},
		{
			Name:    "size",
			Params:  []scripting.Param{{Name: "format", Type: "string"}},
			Doc:     `How many bytes pack would make of a format without *.`,
			Returns: "number",
			Fn:      size,
		},
	},
}
