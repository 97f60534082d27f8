package json

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Fault is why something could not be encoded or decoded.
type Fault struct {
	Reason string // a name: "syntax", "too_deep"...
	Text   string // for people
	path   string // where in the value, from the outside in, while it is being found
}

// Reasons of a Fault.
const (
	Syntax       = "syntax"            // decode: the text is not JSON
	TooDeep      = "too_deep"          // more arrays and objects in each other than max_depth
	TooLarge     = "too_large"         // longer than max_size
	InvalidUTF8  = "invalid_utf8"      // a string that is not UTF-8
	DuplicateKey = "duplicate_key"     // decode with duplicates = "refuse"; encode: a number and its text
	OutOfRange   = "out_of_range"      // a number that Lua, or JSON, cannot hold
	Unsupported  = "unsupported_value" // encode: a function, a cycle...
	MixedTable   = "mixed_table"       // encode: a list that also has named keys
	SparseArray  = "sparse_array"      // encode: a list with holes
)

func (f *Fault) Error() string { return f.Text }

// at puts the message behind the path that has been collected.
func (f *Fault) at(root string) *Fault {
	f.Text = root + f.path + ": " + f.Text
	return f
}

func fault(reason, format string, args ...any) *Fault {
	return &Fault{Reason: reason, Text: fmt.Sprintf(format, args...)}
}

// position is "line 3 column 14" of an offset; columns count characters.
func position(s string, at int) string {
	at = min(at, len(s))
	line := 1 + strings.Count(s[:at], "\n")
	column := 1 + utf8.RuneCountInString(s[strings.LastIndexByte(s[:at], '\n')+1:at])
	return fmt.Sprintf("line %d column %d", line, column)
}

// keyPath is how a script would write the way to a key.
func keyPath(key string) string {
	name := key != ""
	for i := range len(key) {
		c := key[i]
		if c != '_' && !(c|0x20 >= 'a' && c|0x20 <= 'z') && !(i > 0 && c >= '0' && c <= '9') {
			name = false
		}
	}
	if name && len(key) <= 60 {
		return "." + key
	}
	if len(key) > 60 {
		key = key[:57] + "..."
	}
	return fmt.Sprintf("[%q]", key)
}
