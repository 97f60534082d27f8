package crypto_test

import (
	"testing"

	"go.uber.org/goleak"

	"swoon/scripting"
	"swoon/scripting/scriptingtest"
	"swoon/stdlib/crypto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func run(t *testing.T, code string) {
	t.Helper()
	scriptingtest.Run(t, []scripting.Module{crypto.Module}, "local crypto = require 'crypto'\n"+code)
}

// The values are those of md5sum, sha1sum and so on, and of RFC 2202 and 4231.
func TestHashes(t *testing.T) {
	run(t, `
eq(crypto.md5(""), "d41d8cd98f00b204e9800998ecf8427e")
eq(crypto.md5("abc"), "900150983cd24fb0d6963f7d28e17f72")
eq(crypto.sha1("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d")
eq(crypto.sha224("abc"), "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7")
eq(crypto.sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
eq(crypto.sha384("abc"), "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7")
eq(crypto.sha512("abc"), "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f")
eq(crypto.sha256("abc", true), crypto.hex_decode(crypto.sha256("abc")))
eq(crypto.hash("SHA256", "abc"), crypto.sha256("abc"))
eq(crypto.hash("md5", 12), crypto.md5("12"))
eq(crypto.crc32("123456789"), 0xcbf43926) eq(crypto.crc32(""), 0)
eq(crypto.hmac("md5", ("\11"):rep(16), "Hi There"), "9294727a3638bb1c13f48ef8158bfc9d")
eq(crypto.hmac("sha256", "Jefe", "what do ya want for nothing?"), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
eq(#crypto.hmac("sha512", "", "", true), 64)
-- across the size from which the fiber waits
eq(crypto.sha1(("a"):rep(1000000)), "34aa973cd4c4daa4f61eeb2bdbad27316534016f")
local long = ("a"):rep(3000000)
eq(crypto.md5(long), "99ddc9a3a46ea62c95652bdf937a1fb8")
eq(crypto.crc32(long), 3702683626)
raises("unknown algorithm 'sha265' (did you mean 'sha256'?): there are md5, sha1", crypto.hash, "sha265", "")
raises("bad argument #1 'data' to 'crypto.md5' (string expected, got nil)", crypto.md5, nil)
raises("bad argument #2 'raw' to 'crypto.md5' (boolean expected, got number)", crypto.md5, "", 1)
eq(crypto.equals("a", "a"), true) eq(crypto.equals("a", "b"), false) eq(crypto.equals("a", "ab"), false) eq(crypto.equals("", ""), true)
`)
}

func TestEncodings(t *testing.T) {
	run(t, `
local all = {}
for i = 0, 255 do all[i + 1] = string.char(i) end
all = table.concat(all)
for n = 0, 256, 5 do
  local s = all:sub(1, n)
  eq(crypto.hex_decode(crypto.hex_encode(s)), s)
  eq(crypto.base64_decode(crypto.base64_encode(s)), s)
  eq(crypto.base64url_decode(crypto.base64url_encode(s)), s)
end
eq(crypto.hex_encode("\0\255a"), "00ff61") eq(crypto.hex_decode("00FF61"), "\0\255a")
fails("malformed", crypto.hex_decode("0")) fails("malformed", crypto.hex_decode("0g"))
eq(crypto.base64_encode("\251\255\254a"), "+//+YQ==") eq(crypto.base64url_encode("\251\255\254a"), "-__-YQ")
eq(crypto.base64_decode("+//+\nYQ=="), "\251\255\254a") eq(crypto.base64url_decode("-__-YQ=="), "\251\255\254a")
for _, bad in ipairs{"YQ", "YQ=", "Y", "Y!==", "-__-", "YQ==x"} do fails("malformed", crypto.base64_decode(bad)) end
for _, bad in ipairs{"Y", "+//+", "Y!"} do fails("malformed", crypto.base64url_decode(bad)) end
`)
}

func TestRandom(t *testing.T) {
	run(t, `
eq(#crypto.random_bytes(0), 0) eq(#crypto.random_bytes(32), 32)
assert(crypto.random_bytes(16) ~= crypto.random_bytes(16))
raises("a whole number from 0 to 1048576 expected, got -1", crypto.random_bytes, -1)
raises("a whole number from 0 to 1048576 expected", crypto.random_bytes, 2^20 + 1)
local seen = {}
for i = 1, 1000 do local n = crypto.random_int(-1, 2) assert(n >= -1 and n <= 2 and n % 1 == 0) seen[n] = true end
for n = -1, 2 do assert(seen[n], n) end
eq(crypto.random_int(5, 5), 5) eq(crypto.random_int(2^53, 2^53), 2^53)
assert(crypto.random_int(-2^53, 2^53))
raises("there is no number from 2 to 1", crypto.random_int, 2, 1)
raises("a whole number within 2^53 expected, got 0.5", crypto.random_int, 0.5, 1)
raises("a whole number within 2^53 expected", crypto.random_int, 0, 0/0)
local u = crypto.uuid4()
assert(u:match("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"), u)
assert(u ~= crypto.uuid4())
local before, last = os.time(), ""
for i = 1, 2000 do
  u = crypto.uuid7()
  assert(u > last)
  last = u
end
assert(u:match("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-7%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"), u)
local ms = tonumber(u:sub(1, 8) .. u:sub(10, 13), 16)
assert(ms >= before * 1000 and ms <= (os.time() + 1) * 1000, ms)
`)
}

func TestPasswords(t *testing.T) {
	run(t, `
local h = crypto.password_hash("secret", { iterations = 1000 })
assert(h:match("^%$pbkdf2%-sha256%$i=1000%$[%w+/]+%$[%w+/]+$"), h)
assert(h ~= crypto.password_hash("secret", { iterations = 1000 }))
eq(crypto.password_verify("secret", h), true) eq(crypto.password_verify("Secret", h), false) eq(crypto.password_verify("", h), false)
-- by another implementation: Python's hashlib.pbkdf2_hmac
eq(crypto.password_verify("password", "$pbkdf2-sha256$i=4096$c2FsdHNhbHQ$ZiMD/VuDIBLM8rT9ZlFkcm8vO44PH2jtvpsH6s4pwvU"), true)
assert(crypto.password_hash("x"):find("i=600000", 1, true))
for _, bad in ipairs{"", "x", "$pbkdf2-sha256$i=10$c2FsdHNhbHQ$xx", h .. "x", h:gsub("i=1000", "i=99999999"), (h:gsub("sha256", "sha512"))} do
  fails("malformed", crypto.password_verify("secret", bad))
end
raises("option 'iterations' must be a whole number from 1000 to 10000000, not 1", crypto.password_hash, "x", { iterations = 1 })
raises("there is no option 'rounds'", crypto.password_hash, "x", { rounds = 1 })
`)
}
