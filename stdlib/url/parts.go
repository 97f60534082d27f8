package url

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// parts are the parts of a URL as they stand in it, escapes and all. has tells
// an empty part from none.
type parts struct {
	scheme, user, password, host, path, query, fragment string

	port                                                      int // -1: none
	hasAuthority, hasUser, hasPassword, hasQuery, hasFragment bool
}

// parse splits a URL or a reference to one, by RFC 3986.
func parse(s string) (p parts, err error) {
	p.port = -1
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("<>\"{}|\\^`", c) >= 0 {
			return p, fmt.Errorf("%q at byte %d cannot stand in a URL unescaped", s[i:i+1], i+1)
		}
		if c == '%' && !isEscape(s, i) {
			return p, fmt.Errorf("%q at byte %d is no escape: two hexadecimal digits must follow %%", s[i:min(i+3, len(s))], i+1)
		}
	}
	s, p.fragment, p.hasFragment = strings.Cut(s, "#")
	s, p.query, p.hasQuery = strings.Cut(s, "?")
	if i := strings.IndexAny(s, ":/"); i >= 0 && s[i] == ':' {
		if !isScheme(s[:i]) {
			return p, fmt.Errorf("%q is no scheme: letters, digits, +, - and . after a letter (a first path segment with a colon is written ./%s)", s[:i], s)
		}
		p.scheme, s = strings.ToLower(s[:i]), s[i+1:]
	}
	if rest, ok := strings.CutPrefix(s, "//"); ok {
		p.hasAuthority = true
		authority := rest
		s = ""
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			authority, s = rest[:i], rest[i:]
		}
		if err := p.parseAuthority(authority); err != nil {
			return p, err
		}
	}
	p.path = s
	return p, nil
}

func isScheme(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; !(c >= 'a' && c <= 'z') && (i == 0 || !schemeRest.has(s[i])) {
			return false
		}
	}
	return s != ""
}

func (p *parts) parseAuthority(s string) error {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		p.hasUser = true
		p.user, p.password, p.hasPassword = strings.Cut(s[:i], ":")
		for _, c := range []byte(s[:i]) {
			if !inPassword.has(c) && c != '%' {
				return fmt.Errorf("%q cannot stand in the user or the password unescaped", string(rune(c)))
			}
		}
		s = s[i+1:]
	}
	port := ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return fmt.Errorf("the address %q has no closing bracket", s)
		}
		p.host, port = s[1:end], s[end+1:]
		address, zone, _ := strings.Cut(p.host, "%25")
		if zone != "" {
			address += "%" + zone
		}
		if a, err := netip.ParseAddr(address); err != nil || !a.Is6() {
			return fmt.Errorf("%q is no IPv6 address", p.host)
		}
		if port != "" && port[0] != ':' {
			return fmt.Errorf("%q cannot follow the address in brackets", port)
		}
		port = strings.TrimPrefix(port, ":")
	} else {
		p.host, port, _ = strings.Cut(s, ":")
		for _, c := range []byte(p.host) {
			if !inHost.has(c) && c != '%' {
				return fmt.Errorf("%q cannot stand in a host name", string(rune(c)))
			}
		}
	}
	if port != "" {
		n := 0
		for i := range len(port) {
			if port[i] < '0' || port[i] > '9' || n > 65535 {
				n = 65536
				break
			}
			n = n*10 + int(port[i]-'0')
		}
		if n > 65535 {
			return fmt.Errorf("the port %q is no number from 0 to 65535", port)
		}
		p.port = n
	}
	return nil
}

// String puts the parts together. What may not stand in its part is escaped.
func (p *parts) String() string {
	var b strings.Builder
	if p.scheme != "" {
		b.WriteString(p.scheme + ":")
	}
	if p.hasAuthority {
		b.WriteString("//")
		if p.hasUser {
			b.WriteString(escape(p.user, &inUser, true))
			if p.hasPassword {
				b.WriteString(":" + escape(p.password, &inPassword, true))
			}
			b.WriteByte('@')
		}
		if strings.IndexByte(p.host, ':') >= 0 {
			b.WriteString("[" + p.host + "]")
		} else {
			b.WriteString(escape(p.host, &inHost, true))
		}
		if p.port >= 0 {
			b.WriteString(":" + strconv.Itoa(p.port))
		}
	}
	b.WriteString(escape(p.path, &inPath, true))
	if p.hasQuery {
		b.WriteString("?" + escape(p.query, &inQuery, true))
	}
	if p.hasFragment {
		b.WriteString("#" + escape(p.fragment, &inQuery, true))
	}
	return b.String()
}

// resolve is where a reference r leads to from base, by RFC 3986 section 5.2.
func resolve(base, r *parts) parts {
	t := *r
	switch {
	case r.scheme != "":
	case r.hasAuthority:
		t.scheme = base.scheme
	default:
		t = *base
		t.query, t.hasQuery = r.query, r.hasQuery
		t.fragment, t.hasFragment = r.fragment, r.hasFragment
		switch {
		case r.path == "":
			if !r.hasQuery {
				t.query, t.hasQuery = base.query, base.hasQuery
			}
			return t
		case r.path[0] == '/':
			t.path = r.path
		case base.hasAuthority && base.path == "":
			t.path = "/" + r.path
		default:
			t.path = base.path[:strings.LastIndexByte(base.path, '/')+1] + r.path
		}
	}
	t.path = removeDots(t.path)
	if !t.hasAuthority && strings.HasPrefix(t.path, "//") {
		t.path = "/." + t.path // else the path would read as a host
	}
	return t
}

// removeDots takes the segments . and .. out of a path.
func removeDots(path string) string {
	if strings.IndexByte(path, '.') < 0 {
		return path
	}
	rooted := strings.HasPrefix(path, "/")
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	out := segments[:0]
	for i, s := range segments {
		last := i == len(segments)-1
		switch s {
		case ".":
			if last {
				out = append(out, "")
			}
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, s)
		}
	}
	path = strings.Join(out, "/")
	if rooted {
		return "/" + path
	}
	return path
}
