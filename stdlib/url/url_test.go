package url

import (
	"fmt"
	stdurl "net/url"
	"strings"
	"testing"

	"swoon/scripting"
	"swoon/scripting/scriptingtest"
	"swoon/stdlib/json"
)

var modules = []scripting.Module{Module, json.Module}

const begin = `local url, json = require "url", require "json"
local function show(v, ...) return json.encode(v, {sort_keys = true}), ... end
`

func TestModule(t *testing.T) {
	cases := []struct{ lua, want string }{
		{`url.parse("HTTP://us%40er:p:w@Example.org:8080/a%20b/c?x=1&y#top")`,
			`{"fragment":"top","host":"Example.org","password":"p:w","path":"/a%20b/c","port":8080,"query":"x=1&y","scheme":"http","user":"us%40er"}`},
		{`url.parse("http://h")`, `{"host":"h","path":"","scheme":"http"}`},
		{`url.parse("http://h/?#")`, `{"fragment":"","host":"h","path":"/","query":"","scheme":"http"}`},
		{`url.parse("redis://[::1]:6379/0")`, `{"host":"::1","path":"/0","port":6379,"scheme":"redis"}`},
		{`url.parse("unix:/run/a.sock")`, `{"path":"/run/a.sock","scheme":"unix"}`},
		{`url.parse("mailto:a@b.c")`, `{"path":"a@b.c","scheme":"mailto"}`},
		{`url.parse("file:///etc/passwd")`, `{"host":"","path":"/etc/passwd","scheme":"file"}`},
		{`url.parse("//h/p")`, `{"host":"h","path":"/p"}`},
		{`url.parse("../a/b?c")`, `{"path":"../a/b","query":"c"}`},
		{`url.parse("")`, `{"path":""}`},
		{`url.parse("http://u@h:/")`, `{"host":"h","path":"/","scheme":"http","user":"u"}`},
		{`url.parse("a b")`, "null\tbad_url\t\" \" at byte 2 cannot stand in a URL unescaped"},
		{`url.parse("http://h/%zz")`, "null\tbad_url\t\"%zz\" at byte 10 is no escape: two hexadecimal digits must follow %"},
		{`url.parse("http://h:99999/")`, "null\tbad_url\tthe port \"99999\" is no number from 0 to 65535"},
		{`url.parse("http://h:8o/")`, "null\tbad_url\tthe port \"8o\" is no number from 0 to 65535"},
		{`url.parse("http://[::1/")`, "null\tbad_url\tthe address \"[::1\" has no closing bracket"},
		{`url.parse("http://[1.2.3.4]/")`, "null\tbad_url\t\"1.2.3.4\" is no IPv6 address"},
		{`url.parse("http://a@b@c/")`, "null\tbad_url\t\"@\" cannot stand in the user or the password unescaped"},
		{`url.parse("http://a[b/")`, "null\tbad_url\t\"[\" cannot stand in a host name"},
		{`url.parse("1a:b")`, "null\tbad_url\t\"1a\" is no scheme: letters, digits, +, - and . after a letter (a first path segment with a colon is written ./1a:b)"},
		{`url.build{scheme="http", host="h", path="/a b/ä%20", query={q="x y", z={1, true}}, fragment="f#"}`, `"http://h/a%20b/%C3%A4%20?q=x+y&z=1&z=true#f%23"`},
		{`url.build{scheme="redis", host="::1", port="6379", user="a:b", password="p@w"}`, `"redis://a%3Ab:p%40w@[::1]:6379"`},
		{`url.build{path="/x", query=""}`, `"/x?"`},
		{`url.build(url.parse("http://u:p@h:1/p?q#f"))`, `"http://u:p@h:1/p?q#f"`},
		{`url.resolve("http://a/b/c/d;p?q", "../g?y#s")`, `"http://a/b/g?y#s"`},
		{`url.resolve("/a", "b")`, "null\tbad_url\tbase: it has no scheme"},
		{`url.resolve("http://h", "a b")`, "null\tbad_url\treference: \" \" at byte 2 cannot stand in a URL unescaped"},
		{`url.encode("a-b._~ /?&=+%é\0")`, `"a-b._~%20%2F%3F%26%3D%2B%25%C3%A9%00"`},
		{`url.decode("a%20b+c%e4")`, ``},
		{`url.decode("%41+%C3%A9")`, `"A+é"`},
		{`url.decode("50%")`, "null\tbad_escape\t\"%\" at byte 3 is no escape: two hexadecimal digits must follow %"},
		{`url.encodeForm("a b+c*~")`, `"a+b%2Bc*%7E"`},
		{`url.decodeForm("a+b%2Bc")`, `"a b+c"`},
		{`url.buildQuery{b=1, a="x&y", c={"1", 2}, d=false, e={}}`, `"a=x%26y&b=1&c=1&c=2&d=false"`},
		{`url.buildQuery{{"b", 1}, {"a", "2"}, {"b", {3, 4}}}`, `"b=1&a=2&b=3&b=4"`},
		{`url.buildQuery{}`, `""`},
		{`url.parseQuery("?a=1&b=x+y%21&a=2&c&&=d&a%5B%5D=3")`, ``},
		{`url.parseQuery("a=%x")`, "null\tbad_escape\t\"%x\" at byte 1 is no escape: two hexadecimal digits must follow %"},
	}
	var code strings.Builder
	code.WriteString(begin)
	for _, c := range cases {
		if c.want != "" {
			fmt.Fprintf(&code, "print(show(%s))\n", c.lua)
		} else {
			code.WriteString("print()\n")
		}
	}
	got := strings.Split(scriptingtest.Eval(t, modules, code.String()), "\n")
	for i, c := range cases {
		if got[i] != c.want {
			t.Errorf("%s\n\tgives %s\n\twant  %s", c.lua, got[i], c.want)
		}
	}
	want := `{"":"d","a":"2","a[]":"3","b":"x y!","c":""}` + "\n" + `{"":["d"],"a":["1","2"],"a[]":["3"],"b":["x y!"],"c":[""]}` + "\na b+c\xe4"
	if got := scriptingtest.Eval(t, modules, begin+`local last, all = url.parseQuery("?a=1&b=x+y%21&a=2&c&&=d&a%5B%5D=3")
		print((show(last))) print((show(all))) print(url.decode("a%20b+c%e4"))`); got != want {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
}

func TestRefuses(t *testing.T) {
	for _, c := range []struct{ lua, want string }{
		{`url.build{schema="http"}`, `url.build: there is no part 'schema' (did you mean 'scheme'?)`},
		{`url.build{scheme="1x"}`, `url.build: "1x" is no scheme`},
		{`url.build{host="h", port=70000}`, `url.build: the part 'port' must be a number from 0 to 65535, not 70000`},
		{`url.build{port=1}`, `url.build: user, password and port need a host`},
		{`url.build{host="h", password="x"}`, `url.build: a password needs a user`},
		{`url.build{host="h", path="x"}`, `url.build: behind a host the path must begin with '/', not "x"`},
		{`url.build{path="//x"}`, `url.build: without a host the path cannot begin with '//'`},
		{`url.build{path="a:b"}`, `url.build: "a:b" would be read as other parts than these`},
		{`url.build{host="1:2"}`, `url.build: "1:2" is no IPv6 address`},
		{`url.build{host={}}`, `url.build: the part 'host' must be a string, not a table`},
		{`url.build{path="", query={a=print}}`, `url.build: the value of "a" cannot be a function`},
		{`url.buildQuery{a={b=1}}`, `url.buildQuery: the value of "a" must be a list, and it has other keys too`},
		{`url.buildQuery{a={{1}}}`, `url.buildQuery: the value of "a" cannot be a table`},
		{`url.buildQuery{{"a"}}`, `url.buildQuery: entry 1 must be a pair {name, value}`},
		{`url.buildQuery{"a"}`, `url.buildQuery: entry 1 must be a pair {name, value}`},
		{`url.buildQuery{{"a", 1}, b=2}`, `url.buildQuery: a table of names, or a list of pairs, not both in one`},
		{`url.buildQuery{[true]=2}`, `url.buildQuery: a name cannot be a boolean`},
	} {
		if got := scriptingtest.EvalError(t, modules, begin+c.lua); got != "app.lua:3: "+c.want {
			t.Errorf("%s\n\tfails with %s\n\twant       %s", c.lua, got, c.want)
		}
	}
}

// The examples of RFC 3986, sections 5.4.1 and 5.4.2.
func TestResolve(t *testing.T) {
	base, err := parse("http://a/b/c/d;p?q")
	if err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{
		"g:h": "g:h", "g": "http://a/b/c/g", "./g": "http://a/b/c/g", "g/": "http://a/b/c/g/", "/g": "http://a/g",
		"//g": "http://g", "?y": "http://a/b/c/d;p?y", "g?y": "http://a/b/c/g?y", "#s": "http://a/b/c/d;p?q#s",
		"g#s": "http://a/b/c/g#s", "g?y#s": "http://a/b/c/g?y#s", ";x": "http://a/b/c/;x", "g;x": "http://a/b/c/g;x",
		"": "http://a/b/c/d;p?q", ".": "http://a/b/c/", "./": "http://a/b/c/", "..": "http://a/b/", "../": "http://a/b/",
		"../g": "http://a/b/g", "../..": "http://a/", "../../": "http://a/", "../../g": "http://a/g",
		"../../../g": "http://a/g", "../../../../g": "http://a/g", "/./g": "http://a/g", "/../g": "http://a/g",
		"g.": "http://a/b/c/g.", ".g": "http://a/b/c/.g", "g..": "http://a/b/c/g..", "..g": "http://a/b/c/..g",
		"./../g": "http://a/b/g", "./g/.": "http://a/b/c/g/", "g/./h": "http://a/b/c/g/h", "g/../h": "http://a/b/c/h",
		"g;x=1/./y": "http://a/b/c/g;x=1/y", "g;x=1/../y": "http://a/b/c/y", "g?y/./x": "http://a/b/c/g?y/./x",
		"g#s/../x": "http://a/b/c/g#s/../x", "http:g": "http:g",
	} {
		r, err := parse(ref)
		if err != nil {
			t.Errorf("%s: %v", ref, err)
			continue
		}
		if got := resolve(&base, &r); got.String() != want {
			t.Errorf("%q leads to %q, want %q", ref, got.String(), want)
		}
	}
}

// FuzzParse: what is taken is put together again as it was, and net/url sees
// the same parts.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"http://u:p@h:80/a/../b?c#d", "//[::1]/", "x:y", "a%20b", "?#", "HTTP://H", "http://h:/", "http://a@b@c/"} {
		f.Add(s, "../x")
	}
	f.Fuzz(func(t *testing.T, s, ref string) {
		p, err := parse(s)
		if err != nil {
			return
		}
		text := p.String()
		again, err := parse(text)
		if err != nil || again.String() != text || again != p && !strings.ContainsAny(s, "[]") && strings.Count(s, "#") < 2 {
			t.Fatalf("%q has the parts %+v, which make %q: %+v, %v", s, p, text, again, err)
		}
		if u, err := stdurl.Parse(s); err == nil && u.Opaque == "" {
			if u.Scheme != p.scheme || u.RawQuery != p.query || u.Hostname() != strings.ReplaceAll(p.host, "%25", "%") && !strings.Contains(p.host, "%") {
				t.Fatalf("%q is %+v for net/url, %+v here", s, u, p)
			}
		}
		r, err := parse(ref)
		if err != nil {
			return
		}
		to := resolve(&p, &r)
		if _, err := parse(to.String()); err != nil && p.scheme != "" {
			t.Fatalf("%q from %q leads to %q: %v", ref, s, to.String(), err)
		}
	})
}

func FuzzEscape(f *testing.F) {
	f.Add("a b%c+\xff")
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := unescape(escape(s, &unreserved, false), false); err != nil || got != s {
			t.Fatalf("%q comes back as %q, %v", s, got, err)
		}
		if got, err := unescape(form(s), true); err != nil || got != s {
			t.Fatalf("%q comes back as %q, %v", s, got, err)
		}
		if got, err := unescape(s, true); true {
			want, stdErr := stdurl.QueryUnescape(s)
			if (err == nil) != (stdErr == nil) || err == nil && got != want {
				t.Fatalf("%q is %q, %v here, %q, %v for net/url", s, got, err, want, stdErr)
			}
		}
	})
}
