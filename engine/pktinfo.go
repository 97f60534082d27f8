package engine

import (
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A socket that is bound to every address of a machine is asked at one of them,
// and must answer from that one: a client does not know the others, and drops
// what comes from them. The kernel says with each packet which it was, and
// takes it back with the answer.

// pktinfo holds what the kernel says beside a packet: struct cmsghdr and struct
// in_pktinfo or in6_pktinfo.
type pktinfo [8]uint64

// askWhere makes the kernel say it for every packet of the socket.
func askWhere(fd int, k Kind) error {
	if k == UDP6 {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
}

// local is the address in the first size bytes; the zero value if there is none
// to answer from.
func (c *pktinfo) local(size int) (ip netip.Addr) {
	if size < unix.CmsgLen(0) {
		return ip
	}
	head := (*unix.Cmsghdr)(unsafe.Pointer(c))
	data := c.data()
	switch {
	case head.Level == unix.IPPROTO_IP && head.Type == unix.IP_PKTINFO && size >= unix.CmsgLen(unix.SizeofInet4Pktinfo):
		ip = netip.AddrFrom4((*unix.Inet4Pktinfo)(data).Spec_dst)
	case head.Level == unix.IPPROTO_IPV6 && head.Type == unix.IPV6_PKTINFO && size >= unix.CmsgLen(unix.SizeofInet6Pktinfo):
		info := (*unix.Inet6Pktinfo)(data)
		if ip = netip.AddrFrom16(info.Addr); ip.IsLinkLocalUnicast() {
			ip = ip.WithZone(strconv.Itoa(int(info.Ifindex)))
		}
	}
	if ip.IsMulticast() {
		return netip.Addr{}
	}
	return ip
}

func (c *pktinfo) data() unsafe.Pointer { return unsafe.Add(unsafe.Pointer(c), unix.CmsgLen(0)) }

// set writes an address for a socket of kind k and returns the size.
func (c *pktinfo) set(ip netip.Addr, k Kind) int {
	head := (*unix.Cmsghdr)(unsafe.Pointer(c))
	data := c.data()
	if k == UDP {
		head.Level, head.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
		head.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
		*(*unix.Inet4Pktinfo)(data) = unix.Inet4Pktinfo{Spec_dst: ip.As4()}
		return unix.CmsgSpace(unix.SizeofInet4Pktinfo)
	}
	head.Level, head.Type = unix.IPPROTO_IPV6, unix.IPV6_PKTINFO
	head.SetLen(unix.CmsgLen(unix.SizeofInet6Pktinfo))
	*(*unix.Inet6Pktinfo)(data) = unix.Inet6Pktinfo{Addr: ip.As16(), Ifindex: zoneID(ip.Zone())}
	return unix.CmsgSpace(unix.SizeofInet6Pktinfo)
}

// sendFrom is sendTo for an answer that must leave from local. Under sending.
func (p *Port) sendFrom(local netip.Addr, name *unix.RawSockaddrAny, size int, data string) unix.Errno {
	var info pktinfo
	iov := unix.Iovec{Base: unsafe.StringData(data)}
	iov.SetLen(len(data))
	head := unix.Msghdr{Name: (*byte)(unsafe.Pointer(name)), Namelen: uint32(size), Iov: &iov, Control: (*byte)(unsafe.Pointer(&info))}
	head.SetIovlen(1)
	head.SetControllen(info.set(local, p.kind))
	_, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(p.fd), uintptr(unsafe.Pointer(&head)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	return errno
}
