package dbfile

import "testing"

func TestLocalDisk_RefusesNetworkFileSystems(t *testing.T) {
	for kind, good := range map[uint32]bool{0x6969: false, 0xff534d42: false, 0xef53 /* ext4 */ : true, 0x01021994 /* tmpfs */ : true, 0x794c7630 /* overlay */ : true} {
		if err := localDisk(kind); (err == nil) != good {
			t.Errorf("%#x: %v", kind, err)
		}
	}
	if err := OnLocalDisk(t.TempDir()); err != nil {
		t.Errorf("the directory of this test: %v", err)
	}
}
