package submit

import (
	"net"
	"time"
)

// protect puts the guard around a connection.
func protect(conn net.Conn, deadline time.Time) net.Conn {
	conn.SetDeadline(deadline)
	return conn
}
