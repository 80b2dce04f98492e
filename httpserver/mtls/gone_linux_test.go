package mtls

import (
	"net"
	"testing"
)

func TestIsGone_SeesTheEndBehindWhatIsUnread(t *testing.T) {
	r := newRig(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	r.must(err)
	defer listener.Close()
	for name, end := range map[string]func(*net.TCPConn) error{
		"closed": (*net.TCPConn).Close,
		"reset": func(c *net.TCPConn) error {
			r.must(c.SetLinger(0))
			return c.Close()
		},
	} {
		far, err := net.Dial("tcp", listener.Addr().String())
		r.must(err)
		near, err := listener.Accept()
		r.must(err)
		_, err = far.Write([]byte("something that is not read"))
		r.must(err)
		if isGone(near) {
			t.Errorf("%s: gone before its end", name)
		}
		r.must(end(far.(*net.TCPConn)))
		r.eventually(name, func() bool { return isGone(near) })
		r.must(near.Close())
	}
}
