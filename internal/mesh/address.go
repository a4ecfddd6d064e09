package mesh

import (
	"crypto/sha256"
	"net"
	"strconv"
)

// memberlist knows nodes by IP address and treats a changed one as a conflict.
// So each node is given an address derived from its name, in fd00::/8 (RFC 4193),
// that only this package can dial. It never changes, cannot be claimed by another
// name, and says nothing about where the node is.
const virtualPort = 1

func virtualIP(name string) net.IP {
	sum := sha256.Sum256([]byte("mailquorum mesh address\x00" + name))
	ip := net.IP(sum[:net.IPv6len])
	ip[0] = 0xfd
	return ip
}

// virtualAddress is the address as memberlist hands it to the transport.
func virtualAddress(name string) string {
	return net.JoinHostPort(virtualIP(name).String(), strconv.Itoa(virtualPort))
}

// virtualAddr is the same as a net.Addr.
func virtualAddr(name string) net.Addr {
	return &net.UDPAddr{IP: virtualIP(name), Port: virtualPort}
}
