package dbfile

import (
	"fmt"
	"syscall"
)

// networkFileSystems are the types of file systems, see statfs(2), on which flock
// is not known to other machines, or is the same lock as fcntl's.
var networkFileSystems = map[uint32]string{
	0x6969: "NFS", 0x517b: "SMB", 0xff534d42: "SMB", 0xfe534d42: "SMB",
}

// OnLocalDisk returns why a directory is not on a local disk, nil if it is or if
// that is unknown.
func OnLocalDisk(dir string) error {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return nil
	}
	return localDisk(uint32(stat.Type))
}

func localDisk(kind uint32) error {
	if name, network := networkFileSystems[kind]; network {
		return fmt.Errorf("its directory is on a network file system (%s), on which SQLite's locks and write-ahead log do not work; want a local disk", name)
	}
	return nil
}
