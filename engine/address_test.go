package engine

import (
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAddressesAsText(t *testing.T) {
	for _, c := range []struct {
		listen Listen
		want   string
		kind   Kind
	}{
		{Listen{"127.0.0.1", 9501, 0}, "127.0.0.1:9501", TCP},
		{Listen{"localhost", 80, TCP}, "127.0.0.1:80", TCP},
		{Listen{"localhost", 80, TCP6}, "[::1]:80", TCP6},
		{Listen{"::1", 80, TCP}, "[::1]:80", TCP6},
		{Listen{"0.0.0.0", 53, UDP}, "udp:0.0.0.0:53", UDP},
		{Listen{"::", 53, UDP}, "udp:[::]:53", UDP6},
		{Listen{"fe80::1%eth0", 53, UDP6}, "udp:[fe80::1%eth0]:53", UDP6},
		{Listen{"/run/a.sock", 99, UnixStream}, "unix:/run/a.sock", UnixStream},
		{Listen{"@name", 0, UnixDgram}, "unixgram:@name", UnixDgram},
		{Listen{"SYSTEMD", 0, TCP}, "SYSTEMD", TCP},
		{Listen{"systemd:web", 0, UDP}, "udp:SYSTEMD:web", UDP},
		{Listen{"SYSTEMDX", 1, TCP}, "SYSTEMDX:1", TCP},
	} {
		if got := c.listen.String(); got != c.want {
			t.Errorf("%#v is %q, want %q", c.listen, got, c.want)
		}
		if got := c.listen.normal().Kind; got != c.kind {
			t.Errorf("%#v is of kind %v, want %v", c.listen, got, c.kind)
		}
	}
}

func TestPeersFromText(t *testing.T) {
	for _, c := range []struct {
		host string
		port int
		want string // empty: refused
	}{
		{"127.0.0.1", 9, "127.0.0.1:9"},
		{"::1", 65535, "[::1]:65535"},
		{"::ffff:10.0.0.1", 9, "10.0.0.1:9"},
		{"fe80::1%2", 9, "[fe80::1%2]:9"},
		{"localhost", 9, "127.0.0.1:9"},
		{"/tmp/x", 0, "/tmp/x"},
		{"./x", -1, "./x"},
		{"@x", 5, "@x"},
		{"127.0.0.1", 0, ""},
		{"127.0.0.1", 65536, ""},
		{"127.0.0.1:9", 9, ""},
		{"example.com", 9, ""},
		{"", 9, ""},
		{"@", 0, ""},
		{"/" + strings.Repeat("x", maxPath), 0, ""},
		{"/a\x00b", 0, ""},
	} {
		got, err := ParsePeer(c.host, c.port)
		if (err == nil) != (c.want != "") || err == nil && got.String() != c.want {
			t.Errorf("%q %d is %v, %v, want %q", c.host, c.port, got, err, c.want)
		}
	}
}

// What is written for the kernel is read back as it was.
func FuzzPeerNames(f *testing.F) {
	f.Add("127.0.0.1", uint16(9))
	f.Add("fe80::1%2", uint16(65535))
	f.Add("/tmp/x", uint16(0))
	f.Add("@name", uint16(0))
	f.Fuzz(func(t *testing.T, host string, port uint16) {
		to, err := ParsePeer(host, int(port))
		if err != nil {
			return
		}
		p := &Port{kind: UnixDgram}
		if ip := to.Addr.Addr(); ip.Is4() {
			p.kind = UDP
		} else if ip.Is6() {
			if _, err := netip.ParseAddr(host); err != nil || ip.Zone() != "" && zoneID(ip.Zone()) == 0 {
				return
			}
			p.kind = UDP6
		}
		var name unix.RawSockaddrAny
		size := p.rawName(&name, to)
		if size == 0 || !p.reaches(to) {
			t.Fatalf("%v cannot be written", to)
		}
		got := peerAt(&name, uint32(size))
		want := to
		if zone := to.Addr.Addr().Zone(); zone != "" { // eth0 comes back as 2
			if zoneID(got.Addr.Addr().Zone()) != zoneID(zone) {
				t.Fatalf("%v is read as %v", to, got)
			}
			got.Addr = netip.AddrPortFrom(got.Addr.Addr().WithZone(zone), got.Addr.Port())
		}
		if got != want {
			t.Fatalf("%v is read as %v", to, got)
		}
	})
}

func TestPeerWithoutName(t *testing.T) {
	var name unix.RawSockaddrAny
	(&Port{kind: UDP}).rawName(&name, Peer{Addr: netip.MustParseAddrPort("1.2.3.4:5")})
	if got := peerAt(&name, 0); got != (Peer{}) { // the slot still holds the sender before
		t.Errorf("an unnamed sender is %v", got)
	}
	name.Addr.Family = unix.AF_UNIX
	if got := peerAt(&name, 2); got != (Peer{}) {
		t.Errorf("an unnamed sender is %v", got)
	}
}
