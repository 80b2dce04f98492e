//go:build !race

// The race detector verifies every conversion of a pointer, and those of the shim
// in front of SQLite are between Go and what takes itself for C.

package sqlite

import (
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// faultVFS stands between SQLite and its file system and lets writes and syncs
// fail as a test says. Once installed it is there for every connection of the
// process, and passes everything on while no fault is set.
//
// SQLite's file systems are tables of C function pointers. The shim copies the
// table of the one that is there and puts functions of its own into the places
// of open, write, truncate and sync.
type faultVFS struct {
	once sync.Once
	vfs  sqlite3.Tsqlite3_vfs
	real sqlite3.Tsqlite3_vfs
	io   map[uintptr]*wrappedIO // by the table of the real file system

	mu   sync.Mutex
	wal  map[uintptr]bool // open files: whether they are write-ahead logs
	fail func(op fileOp) int32
}

// fileOp is something that a file is asked to do.
type fileOp struct {
	name string // write, truncate or sync
	wal  bool
}

type wrappedIO struct{ table, real sqlite3.Tsqlite3_io_methods }

var faults = faultVFS{io: map[uintptr]*wrappedIO{}, wal: map[uintptr]bool{}}

// inject lets operations fail with the SQLite result that f returns; 0 lets them
// pass. nil ends it.
func (v *faultVFS) inject(f func(fileOp) int32) {
	v.once.Do(v.install)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fail = f
}

func (v *faultVFS) install() {
	tls := libc.NewTLS()
	there := sqlite3.Xsqlite3_vfs_find(tls, 0)
	v.real = *atC[sqlite3.Tsqlite3_vfs](there)
	v.vfs = v.real
	v.vfs.FxOpen = pointerTo(&openFile)
	name, err := libc.CString("faults")
	if err != nil {
		panic(err)
	}
	v.vfs.FzName = name
	if rc := sqlite3.Xsqlite3_vfs_register(tls, uintptr(unsafe.Pointer(&v.vfs)), 1); rc != sqlite3.SQLITE_OK {
		panic(rc)
	}
}

// atC is what lies at an address of C.
func atAddress(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

func atC[T any](p uintptr) *T { return (*T)(atAddress(p)) }

// pointerTo is a function as C holds it; call is how it is called there.
func pointerTo[F any](f *F) uintptr { return *(*uintptr)(unsafe.Pointer(f)) }

func call[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&p)) }

type (
	openFunc     func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32
	closeFunc    func(tls *libc.TLS, file uintptr) int32
	writeFunc    func(tls *libc.TLS, file, data uintptr, n int32, offset int64) int32
	truncateFunc func(tls *libc.TLS, file uintptr, size int64) int32
	syncFunc     func(tls *libc.TLS, file uintptr, flags int32) int32
)

var openFile openFunc = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32 {
	rc := call[openFunc](faults.real.FxOpen)(tls, vfs, name, file, flags, outFlags)
	opened := atC[sqlite3.Tsqlite3_file](file)
	if rc != sqlite3.SQLITE_OK || opened.FpMethods == 0 {
		return rc
	}
	faults.mu.Lock()
	defer faults.mu.Unlock()
	faults.wal[file] = flags&sqlite3.SQLITE_OPEN_WAL != 0
	w := faults.io[opened.FpMethods]
	if w == nil {
		w = &wrappedIO{real: *atC[sqlite3.Tsqlite3_io_methods](opened.FpMethods)}
		w.table = w.real
		w.table.FxClose, w.table.FxWrite = pointerTo(&closeFile), pointerTo(&writeFile)
		w.table.FxTruncate, w.table.FxSync = pointerTo(&truncateFile), pointerTo(&syncTheFile)
		faults.io[opened.FpMethods] = w
		faults.io[uintptr(unsafe.Pointer(&w.table))] = w
	}
	opened.FpMethods = uintptr(unsafe.Pointer(&w.table))
	return rc
}

// before asks the fault whether an operation fails, and returns the real table.
func (v *faultVFS) before(file uintptr, op string) (real *sqlite3.Tsqlite3_io_methods, rc int32) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.fail != nil {
		rc = v.fail(fileOp{op, v.wal[file]})
	}
	return &v.io[atC[sqlite3.Tsqlite3_file](file).FpMethods].real, rc
}

var closeFile closeFunc = func(tls *libc.TLS, file uintptr) int32 {
	faults.mu.Lock()
	real := &faults.io[atC[sqlite3.Tsqlite3_file](file).FpMethods].real
	delete(faults.wal, file)
	faults.mu.Unlock()
	return call[closeFunc](real.FxClose)(tls, file)
}

var writeFile writeFunc = func(tls *libc.TLS, file, data uintptr, n int32, offset int64) int32 {
	real, rc := faults.before(file, "write")
	if rc != sqlite3.SQLITE_OK {
		return rc
	}
	return call[writeFunc](real.FxWrite)(tls, file, data, n, offset)
}

var truncateFile truncateFunc = func(tls *libc.TLS, file uintptr, size int64) int32 {
	real, rc := faults.before(file, "truncate")
	if rc != sqlite3.SQLITE_OK {
		return rc
	}
	return call[truncateFunc](real.FxTruncate)(tls, file, size)
}

var syncTheFile syncFunc = func(tls *libc.TLS, file uintptr, flags int32) int32 {
	real, rc := faults.before(file, "sync")
	if rc != sqlite3.SQLITE_OK {
		return rc
	}
	return call[syncFunc](real.FxSync)(tls, file, flags)
}
