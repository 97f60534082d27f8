// Package crypto is the Lua module "crypto": hashes, codes that show a change,
// random bytes, encodings of bytes as text, identifiers and passwords.
package crypto

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"strings"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

var (
	data = scripting.Param{Name: "data", Type: "string"}
	raw  = scripting.Param{Name: "raw", Type: "boolean?"}
	text = []scripting.Param{{Name: "text", Type: "string"}}
)

// Module declares crypto.
var Module = scripting.Module{
	Name: "crypto",
	Doc: "Hashes and codes, as lower-case hexadecimal text, or as bytes with raw = true; random bytes; encodings; identifiers; passwords. " +
		"More than 1 MiB is hashed while the fiber waits and its worker goes on.",
	Funcs: append(hashFuncs(), []scripting.Func{
		{
			Name: "hash", Params: []scripting.Param{{Name: "algorithm", Type: "string"}, data, raw}, Returns: "string",
			Doc: "The hash of data by the name of the algorithm: md5, sha1, sha224, sha256, sha384, sha512.", Fn: byName,
		},
		{
			Name: "hmac", Params: []scripting.Param{{Name: "algorithm", Type: "string"}, {Name: "key", Type: "string"}, data, raw}, Returns: "string",
			Doc: "The HMAC of data under a key. Compare it with equals, never with ==.", Fn: mac,
		},
		{Name: "crc32", Params: []scripting.Param{data}, Returns: "number", Doc: "The CRC-32 of data (IEEE, as zlib and PHP compute it).", Fn: checksum},
		{
			Name: "equals", Params: []scripting.Param{{Name: "a", Type: "string"}, {Name: "b", Type: "string"}}, Returns: "boolean",
			Doc: "Whether two strings are the same, in a time that does not tell where they differ.",
			Fn: func(_ *scripting.Instance, L *lua.LState) int {
				L.Push(lua.LBool(subtle.ConstantTimeCompare([]byte(L.CheckString(1)), []byte(L.CheckString(2))) == 1))
				return 1
			},
		},
		{
			Name: "random_bytes", Params: []scripting.Param{{Name: "n", Type: "number"}}, Returns: "string",
			Doc: "n bytes that nobody can foresee, at most 1 MiB.", Fn: randomBytes,
		},
		{
			Name: "random_int", Params: []scripting.Param{{Name: "from", Type: "number"}, {Name: "to", Type: "number"}}, Returns: "number",
			Doc: "A whole number that nobody can foresee, each from `from` to `to` as likely as another.", Fn: randomInt,
		},
		{Name: "hex_encode", Params: []scripting.Param{data}, Returns: "string", Doc: "Two hexadecimal digits for each byte.", Fn: encodeWith("hex_encode", hex.EncodedLen, hex.EncodeToString)},
		{Name: "hex_decode", Params: text, Returns: "string|false, string?, string?", Doc: "The bytes of hexadecimal text. Fails with malformed.", Fn: decodeWith(hex.DecodeString)},
		{Name: "base64_encode", Params: []scripting.Param{data}, Returns: "string", Doc: "Base64 with + and / and padding.", Fn: encodeWith("base64_encode", std.EncodedLen, std.EncodeToString)},
		{Name: "base64_decode", Params: text, Returns: "string|false, string?, string?", Doc: "The bytes of such text; line ends in it are skipped. Fails with malformed.", Fn: decodeWith(std.DecodeString)},
		{Name: "base64url_encode", Params: []scripting.Param{data}, Returns: "string", Doc: "Base64 with - and _ and without padding, for URLs and file names.", Fn: encodeWith("base64url_encode", url.EncodedLen, url.EncodeToString)},
		{
			Name: "base64url_decode", Params: text, Returns: "string|false, string?, string?", Doc: "The bytes of such text, with or without padding. Fails with malformed.",
			Fn: decodeWith(func(s string) ([]byte, error) { return url.DecodeString(strings.TrimRight(s, "=")) }),
		},
		{Name: "uuid4", Returns: "string", Doc: "A random UUID (RFC 9562, version 4).", Fn: uuid4},
		{Name: "uuid7", Returns: "string", Doc: "A UUID that begins with the time (version 7): those of one process sort in the order they were made.", Fn: uuid7},
		{
			Name: "password_hash", Params: []scripting.Param{{Name: "password", Type: "string"}, {Name: "options", Type: "table?"}}, Returns: "string",
			Doc: "What to store in place of a password: PBKDF2 with SHA-256 and a salt of its own. Slow on purpose: the fiber waits. Options: iterations (600000).", Fn: passwordHash,
		},
		{
			Name: "password_verify", Params: []scripting.Param{{Name: "password", Type: "string"}, {Name: "hash", Type: "string"}}, Returns: "boolean, string?, string?",
			Doc: "Whether a password is the one of which password_hash made this. The fiber waits. Fails with malformed for what password_hash has not made.", Fn: passwordVerify,
		},
	}...),
}

// algorithm is one hash.
type algorithm struct {
	name string
	make func() hash.Hash
}

var algorithms = []algorithm{
	{"md5", md5.New}, {"sha1", sha1.New}, {"sha224", sha256.New224}, {"sha256", sha256.New}, {"sha384", sha512.New384}, {"sha512", sha512.New},
}

func hashFuncs() (fns []scripting.Func) {
	for _, a := range algorithms {
		what := "crypto." + a.name
		fns = append(fns, scripting.Func{
			Name: a.name, Params: []scripting.Param{data, raw}, Returns: "string", Doc: "The " + strings.ToUpper(a.name) + " of data.",
			Fn: func(in *scripting.Instance, L *lua.LState) int {
				return sum(in, L, what, a.make(), L.CheckString(1), L.Get(2))
			},
		})
	}
	return fns
}

// find is the algorithm of this name, or raises.
func find(L *lua.LState, what, name string) algorithm {
	var names []string
	for _, a := range algorithms {
		if a.name == strings.ToLower(name) {
			return a
		}
		names = append(names, a.name)
	}
	vm.Raise(L, "bad argument #1 'algorithm' to '%s' (unknown algorithm '%s'%s: there are %s)", what, name, scripting.Suggest(name, names), strings.Join(names, ", "))
	return algorithm{}
}

// large is from how many bytes on a hash is made off the loop.
const large = 1 << 20

// sum pushes the hash of s.
func sum(in *scripting.Instance, L *lua.LState, what string, h hash.Hash, s string, raw lua.LValue) int {
	var out []byte
	work := func() {
		var buf [4096]byte
		for len(s) > 0 {
			n := copy(buf[:], s)
			h.Write(buf[:n])
			s = s[n:]
		}
		out = h.Sum(nil)
	}
	offLoop(in, L, what, len(s) > large, work)
	if raw == lua.LTrue {
		L.Push(lua.LString(out))
	} else {
		L.Push(lua.LString(hex.EncodeToString(out)))
	}
	return 1
}

// offLoop runs work while the fiber waits, if it is long.
func offLoop(in *scripting.Instance, L *lua.LState, what string, long bool, work func()) {
	if !long {
		work()
		return
	}
	if err := in.Block(L, what, func(context.Context) { work() }); err != nil {
		vm.Raise(L, "%s", err.Error())
	}
}

func byName(in *scripting.Instance, L *lua.LState) int {
	const what = "crypto.hash"
	return sum(in, L, what, find(L, what, L.CheckString(1)).make(), L.CheckString(2), L.Get(3))
}

func mac(in *scripting.Instance, L *lua.LState) int {
	const what = "crypto.hmac"
	a := find(L, what, L.CheckString(1))
	return sum(in, L, what, hmac.New(a.make, []byte(L.CheckString(2))), L.CheckString(3), L.Get(4))
}

func checksum(in *scripting.Instance, L *lua.LState) int {
	s := L.CheckString(1)
	h := crc32.NewIEEE()
	offLoop(in, L, "crypto.crc32", len(s) > large, func() {
		var buf [4096]byte
		for len(s) > 0 {
			n := copy(buf[:], s)
			h.Write(buf[:n])
			s = s[n:]
		}
	})
	L.Push(lua.LNumber(h.Sum32()))
	return 1
}
