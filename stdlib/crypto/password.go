package crypto

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"swoon/scripting"
	"swoon/stdlib/internal/option"

	lua "github.com/yuin/gopher-lua"
)

// A stored password is "$pbkdf2-sha256$i=600000$salt$hash", salt and hash in
// base64 without padding.
const (
	scheme         = "$pbkdf2-sha256$i="
	usualRounds    = 600_000
	leastRounds    = 1000
	mostRounds     = 10_000_000
	saltSize       = 16
	passwordHashes = sha256.Size
)

var phc = base64.RawStdEncoding

func passwordHash(in *scripting.Instance, L *lua.LState) int {
	const what = "crypto.password_hash"
	password := L.CheckString(1)
	o := option.Read(L, 2, what)
	rounds := o.Int("iterations", usualRounds, leastRounds, mostRounds)
	o.Done()
	salt := make([]byte, saltSize)
	rand.Read(salt)
	var key []byte
	var err error
	offLoop(in, L, what, true, func() { key, err = pbkdf2.Key(sha256.New, password, salt, rounds, passwordHashes) })
	if err != nil {
		return malformed(in, L, err.Error())
	}
	L.Push(lua.LString(fmt.Sprintf("%s%d$%s$%s", scheme, rounds, phc.EncodeToString(salt), phc.EncodeToString(key))))
	return 1
}

func passwordVerify(in *scripting.Instance, L *lua.LState) int {
	const what = "crypto.password_verify"
	password := L.CheckString(1)
	rounds, salt, want, ok := parsePassword(L.CheckString(2))
	if !ok {
		return malformed(in, L, "not a hash of crypto.password_hash")
	}
	var key []byte
	var err error
	offLoop(in, L, what, true, func() { key, err = pbkdf2.Key(sha256.New, password, salt, rounds, len(want)) })
	if err != nil {
		return malformed(in, L, err.Error())
	}
	L.Push(lua.LBool(subtle.ConstantTimeCompare(key, want) == 1))
	return 1
}

func parsePassword(s string) (rounds int, salt, key []byte, ok bool) {
	rest, ok := strings.CutPrefix(s, scheme)
	parts := strings.Split(rest, "$")
	if !ok || len(parts) != 3 {
		return 0, nil, nil, false
	}
	rounds, err1 := strconv.Atoi(parts[0])
	salt, err2 := phc.Strict().DecodeString(parts[1])
	key, err3 := phc.Strict().DecodeString(parts[2])
	ok = err1 == nil && err2 == nil && err3 == nil && rounds >= leastRounds && rounds <= mostRounds && len(key) == passwordHashes && len(salt) >= 8
	return rounds, salt, key, ok
}
