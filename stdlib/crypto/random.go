package crypto

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/big"
	"sync/atomic"
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

const maxRandom = 1 << 20

func randomBytes(_ *scripting.Instance, L *lua.LState) int {
	f, _ := scripting.Number(L.Get(1))
	if f != math.Trunc(f) || f < 0 || f > maxRandom {
		vm.Raise(L, "bad argument #1 'n' to 'crypto.random_bytes' (a whole number from 0 to %d expected, got %v)", maxRandom, lua.LNumber(f))
	}
	b := make([]byte, int(f))
	rand.Read(b)
	L.Push(lua.LString(b))
	return 1
}

// maxExact is the largest integer up to which a Lua number holds all.
const maxExact = 1 << 53

func randomInt(_ *scripting.Instance, L *lua.LState) int {
	var ends [2]float64
	for i, name := range []string{"from", "to"} {
		f, _ := scripting.Number(L.Get(i + 1))
		if f != math.Trunc(f) || math.Abs(f) > maxExact {
			vm.Raise(L, "bad argument #%d '%s' to 'crypto.random_int' (a whole number within 2^53 expected, got %v)", i+1, name, lua.LNumber(f))
		}
		ends[i] = f
	}
	from, to := int64(ends[0]), int64(ends[1])
	if from > to {
		vm.Raise(L, "crypto.random_int: there is no number from %d to %d", from, to)
	}
	n, _ := rand.Int(rand.Reader, big.NewInt(to-from+1)) // the reader does not fail
	L.Push(lua.LNumber(from + n.Int64()))
	return 1
}

// pushUUID pushes u as a UUID of this version.
func pushUUID(L *lua.LState, u [16]byte, version byte) int {
	u[6] = u[6]&0x0f | version<<4
	u[8] = u[8]&0x3f | 0x80
	var b [36]byte
	hex.Encode(b[:8], u[:4])
	hex.Encode(b[9:13], u[4:6])
	hex.Encode(b[14:18], u[6:8])
	hex.Encode(b[19:23], u[8:10])
	hex.Encode(b[24:], u[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	L.Push(lua.LString(b[:]))
	return 1
}

func uuid4(_ *scripting.Instance, L *lua.LState) int {
	var u [16]byte
	rand.Read(u[:])
	return pushUUID(L, u, 4)
}

// lastUUID is the time of the newest UUID, in 4096ths of a millisecond.
var lastUUID atomic.Int64

func uuid7(_ *scripting.Instance, L *lua.LState) int {
	ns := time.Now().UnixNano()
	t := ns/1e6<<12 | ns%1e6<<12/1e6
	for {
		last := lastUUID.Load()
		if t <= last {
			t = last + 1
		}
		if lastUUID.CompareAndSwap(last, t) {
			break
		}
	}
	var u [16]byte
	rand.Read(u[8:])
	binary.BigEndian.PutUint64(u[:8], uint64(t>>12)<<16|uint64(t&0xfff))
	return pushUUID(L, u, 7)
}
