package client

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"time"

	"swoon/engine/frame"
	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/internal/socket"

	lua "github.com/yuin/gopher-lua"
)

// options are what a client was set to, with defaults filled in.
type options struct {
	connect, read, write time.Duration // 0: none
	frame                frame.Config
	fn                   *lua.LFunction // package_length_func
	bindHost             string
	bindPort             int
	delay                bool // open_tcp_nodelay = false
	keepAlive            bool
	keepIdle             int // seconds
	keepInterval         int
	keepCount            int
	room                 int // socket_buffer_size
	high, low            int
}

// The defaults.
const (
	defaultConnect = 10 * time.Second
	defaultIO      = 60 * time.Second
	defaultRoom    = 8 << 20
)

func defaults() options {
	return options{connect: defaultConnect, read: defaultIO, write: defaultIO, keepIdle: 3600, keepInterval: 1, keepCount: 5, room: defaultRoom}
}

// option is one row of the table of options.
type option struct {
	name, doc string
	set       func(o *options, v lua.LValue) error
}

// optionTable is all of them, in the order of the reference page.
var optionTable = []option{
	{"timeout", "seconds, for connect, recv and send alike; -1 is without limit", func(o *options, v lua.LValue) error {
		d, err := seconds(v)
		o.connect, o.read, o.write = d, d, d
		return err
	}},
	{"connect_timeout", "10", func(o *options, v lua.LValue) (err error) { o.connect, err = seconds(v); return err }},
	{"read_timeout", "60", func(o *options, v lua.LValue) (err error) { o.read, err = seconds(v); return err }},
	{"write_timeout", "60", func(o *options, v lua.LValue) (err error) { o.write, err = seconds(v); return err }},
	{"open_eof_check", "", boolean(func(o *options) **bool { return &o.frame.EOFCheck })},
	{"open_eof_split", "", boolean(func(o *options) **bool { return &o.frame.EOFSplit })},
	{"package_eof", "", text(func(o *options) **string { return &o.frame.EOF })},
	{"open_length_check", "", boolean(func(o *options) **bool { return &o.frame.LengthCheck })},
	{"package_length_type", "", text(func(o *options) **string { return &o.frame.LengthType })},
	{"package_length_offset", "", number(func(o *options) **int { return &o.frame.LengthOffset })},
	{"package_body_offset", "", number(func(o *options) **int { return &o.frame.BodyOffset })},
	{"package_length_func", "", func(o *options, v lua.LValue) error {
		fn, ok := v.(*lua.LFunction)
		if !ok {
			return fmt.Errorf("a function expected, got %s", v.Type())
		}
		o.fn = fn
		return nil
	}},
	{"package_length_text", "", func(o *options, v lua.LValue) (err error) { o.frame.LengthText, err = lengthText(v); return err }},
	{"package_max_length", "\"2M\"; the framings of a server's port", func(o *options, v lua.LValue) error {
		n, err := size(v, 1, math.MaxInt32)
		o.frame.MaxLength = &n
		return err
	}},
	{"bind_address", "an IP address, or the path of a unix socket", func(o *options, v lua.LValue) error {
		s, ok := v.(lua.LString)
		if !ok || s == "" {
			return fmt.Errorf("an address expected, got %s", show(v))
		}
		o.bindHost = string(s)
		return nil
	}},
	{"bind_port", "", func(o *options, v lua.LValue) (err error) { o.bindPort, err = whole(v, 0, 65535); return err }},
	{"open_tcp_nodelay", "true", func(o *options, v lua.LValue) error {
		b, ok := v.(lua.LBool)
		o.delay = !bool(b)
		return wantBool(ok, v)
	}},
	{"open_tcp_keepalive", "false", func(o *options, v lua.LValue) error {
		b, ok := v.(lua.LBool)
		o.keepAlive = bool(b)
		return wantBool(ok, v)
	}},
	{"tcp_keepidle", "3600 seconds", func(o *options, v lua.LValue) (err error) { o.keepIdle, err = whole(v, 1, 32767); return err }},
	{"tcp_keepinterval", "1 second", func(o *options, v lua.LValue) (err error) { o.keepInterval, err = whole(v, 1, 32767); return err }},
	{"tcp_keepcount", "5", func(o *options, v lua.LValue) (err error) { o.keepCount, err = whole(v, 1, 127); return err }},
	{"socket_buffer_size", "\"8M\": unsent bytes of a client with callbacks", func(o *options, v lua.LValue) (err error) {
		o.room, err = size(v, 4<<10, 1<<30)
		return err
	}},
	{"buffer_high_watermark", "unsent bytes for bufferFull, 4/5 of these", func(o *options, v lua.LValue) (err error) { o.high, err = size(v, 1, 1<<30); return err }},
	{"buffer_low_watermark", "0, for bufferEmpty", func(o *options, v lua.LValue) (err error) { o.low, err = size(v, 0, 1<<30); return err }},
}

var optionAliases = map[string]string{"package_body_start": "package_body_offset"}

// laterOptions are Swoole's, and not in this version.
var laterOptions = strings.Fields(`open_mqtt_protocol open_redis_protocol socks5_host socks5_port socks5_username socks5_password
	http_proxy_host http_proxy_port http_proxy_user http_proxy_username http_proxy_password
	ssl_protocols ssl_compress ssl_cert_file ssl_key_file ssl_passphrase ssl_host_name ssl_verify_peer ssl_allow_self_signed
	ssl_cafile ssl_capath ssl_verify_depth ssl_ciphers`)

// optionDoc lists the options for the reference.
func optionDoc() string {
	var list []string
	for _, o := range optionTable {
		if o.doc != "" {
			list = append(list, o.name+" ("+o.doc+")")
		} else {
			list = append(list, o.name)
		}
	}
	return strings.Join(list, ", ")
}

// apply sets what the table says, all of it or nothing: it raises what is wrong.
func (c *Client) apply(L *lua.LState, what string, t *lua.LTable, skip ...string) {
	o := c.o
	var names []string
	given := map[string]lua.LValue{}
	vm.Each(t, func(k, v lua.LValue) bool {
		name, ok := k.(lua.LString)
		if !ok {
			vm.Raise(L, "%s: the name of an option must be a string, not %s (%s)", what, k.Type(), show(k))
		}
		for _, s := range skip {
			if s == string(name) {
				return true
			}
		}
		names = append(names, string(name))
		given[string(name)] = v
		return true
	})
	sort.Strings(names)
	// `timeout` is for all three; those that say one of them say more.
	sort.SliceStable(names, func(i, j int) bool { return names[i] == "timeout" && names[j] != "timeout" })
	for _, name := range names {
		row := findOption(name)
		if row == nil {
			vm.Raise(L, "%s: %s", what, unknownOption(name))
		}
		if err := row.set(&o, given[name]); err != nil {
			vm.Raise(L, "%s: option '%s': %v", what, name, err)
		}
	}
	high := o.high
	if high == 0 {
		high = o.room / 5 * 4
	}
	if high > o.room || o.low >= high {
		vm.Raise(L, "%s: buffer_low_watermark %d < buffer_high_watermark %d <= socket_buffer_size %d does not hold", what, o.low, high, o.room)
	}
	f, err := c.framerOf(&o)
	if err != nil {
		vm.Raise(L, "%s: %v", what, err)
	}
	c.o, c.framer = o, f
	for name, v := range given {
		c.given.RawSetString(name, v)
	}
	if c.sock != nil && c.sock.Open() {
		c.sock.Reframe()
		c.sock.SetNoDelay(!o.delay)
		c.sock.SetKeepAlive(c.keepAliveConfig())
		c.watch()
	}
}

// framerOf makes the framer of these options.
func (c *Client) framerOf(o *options) (frame.Framer, error) {
	f := o.frame
	if o.fn != nil {
		f.LengthFunc = c.lengthFunc(o.fn)
	}
	return frame.New(f)
}

func findOption(name string) *option {
	if real, ok := optionAliases[name]; ok {
		name = real
	}
	for i := range optionTable {
		if optionTable[i].name == name {
			return &optionTable[i]
		}
	}
	return nil
}

func unknownOption(name string) string {
	var names []string
	for _, o := range optionTable {
		names = append(names, o.name)
	}
	for _, later := range laterOptions {
		if name == later {
			return fmt.Sprintf("option '%s' is not in this version", name)
		}
	}
	return fmt.Sprintf("there is no option '%s'%s", name, scripting.Suggest(name, append(names, laterOptions...)))
}

// seconds reads a time-out of an object; 0 is none.
func seconds(v lua.LValue) (time.Duration, error) {
	f, ok := scripting.Number(v)
	if !ok || f != f || f == 0 || f > 1e9 {
		return 0, fmt.Errorf("a number of seconds above 0, or -1 for no limit, expected, got %s", show(v))
	}
	if f < 0 {
		return 0, nil
	}
	return max(time.Duration(f*float64(time.Second)), 1), nil
}

func whole(v lua.LValue, lo, hi int) (int, error) {
	f, ok := scripting.Number(v)
	if !ok || f != math.Trunc(f) || f < float64(lo) || f > float64(hi) {
		return 0, fmt.Errorf("a whole number from %d to %d expected, got %s", lo, hi, show(v))
	}
	return int(f), nil
}

// size reads bytes, as a number or as text with K, M or G.
func size(v lua.LValue, lo, hi int) (int, error) {
	unit := 1.0
	if s, ok := v.(lua.LString); ok && s != "" {
		t := strings.ToUpper(strings.TrimSpace(string(s)))
		if i := strings.IndexByte("KMG", t[len(t)-1]); i >= 0 {
			unit = float64(int(1) << (10 * (i + 1)))
			v = lua.LString(strings.TrimSpace(t[:len(t)-1]))
		}
	}
	f, ok := scripting.Number(v)
	if f *= unit; !ok || f != math.Trunc(f) || f < float64(lo) || f > float64(hi) {
		return 0, fmt.Errorf("%d to %d bytes expected, got %s", lo, hi, show(v))
	}
	return int(f), nil
}

func boolean(field func(*options) **bool) func(*options, lua.LValue) error {
	return func(o *options, v lua.LValue) error {
		b, ok := v.(lua.LBool)
		on := bool(b)
		*field(o) = &on
		return wantBool(ok, v)
	}
}

func wantBool(ok bool, v lua.LValue) error {
	if !ok {
		return fmt.Errorf("true or false expected, got %s", show(v))
	}
	return nil
}

func text(field func(*options) **string) func(*options, lua.LValue) error {
	return func(o *options, v lua.LValue) error {
		s, ok := v.(lua.LString)
		if !ok {
			return fmt.Errorf("a string expected, got %s", v.Type())
		}
		t := string(s)
		*field(o) = &t
		return nil
	}
}

func number(field func(*options) **int) func(*options, lua.LValue) error {
	return func(o *options, v lua.LValue) error {
		n, err := whole(v, 0, math.MaxInt32)
		*field(o) = &n
		return err
	}
}

// lengthText reads { prefix =, digits =, words = }.
func lengthText(v lua.LValue) (*frame.Text, error) {
	t, ok := v.(*lua.LTable)
	if !ok {
		return nil, fmt.Errorf("a table { prefix =, digits =, words = } expected, got %s", v.Type())
	}
	out := &frame.Text{}
	var err error
	vm.Each(t, func(k, v lua.LValue) bool {
		switch k {
		case lua.LString("prefix"):
			s, ok := v.(lua.LString)
			if !ok {
				err = fmt.Errorf("prefix: a string expected, got %s", v.Type())
			}
			out.Prefix = string(s)
		case lua.LString("digits"):
			if out.Digits, err = whole(v, 1, 18); err != nil {
				err = fmt.Errorf("digits: %w", err)
			}
		case lua.LString("words"):
			list, ok := v.(*lua.LTable)
			if !ok {
				err = fmt.Errorf("words: a list of strings expected, got %s", v.Type())
				return false
			}
			for i := 1; i <= list.Len(); i++ {
				w, ok := vm.RawGet(list, lua.LNumber(i)).(lua.LString)
				if !ok {
					err = fmt.Errorf("words[%d]: a string expected", i)
					return false
				}
				out.Words = append(out.Words, string(w))
			}
		default:
			err = fmt.Errorf("it has no '%s' (prefix, digits, words)", k.String())
		}
		return err == nil
	})
	return out, err
}

// show is a value as errors show it.
func show(v lua.LValue) string {
	if s, ok := v.(lua.LString); ok {
		return strconv.Quote(string(s))
	}
	return v.String()
}

// parseKind reads the type of a client; nil is left to the address.
func parseKind(v lua.LValue) (socket.Kind, error) {
	if v == lua.LNil {
		return socket.Auto, nil
	}
	if f, ok := scripting.Number(v); ok && f == math.Trunc(f) && f >= 1 && f <= float64(len(socket.KindNames)) {
		return socket.Kind(f), nil
	}
	if s, ok := v.(lua.LString); ok {
		for i, name := range socket.KindNames {
			if strings.EqualFold(name, string(s)) {
				return socket.Kind(i + 1), nil
			}
		}
		return 0, fmt.Errorf("%q is no type of client%s", string(s), scripting.Suggest(strings.ToLower(string(s)), socket.KindNames))
	}
	return 0, fmt.Errorf("a type of client (%s) expected, got %s", strings.Join(socket.KindNames, ", "), show(v))
}
