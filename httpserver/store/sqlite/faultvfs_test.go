//go:build !race

// The race detector checks every pointer conversion, and rejects those of the shim
// in front of SQLite, which are between Go pointers and translated C.

package sqlite

import (
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// faultVFS is a shim between SQLite and its file system that makes writes and
// syncs fail. Once installed it applies to every connection of the process, and
// passes everything through while no fault is set.
//
// A file system of SQLite is a table of C function pointers. The shim copies the
// table of the default one and replaces open, close, write, truncate and sync.
type faultVFS struct {
	once sync.Once
	vfs  sqlite3.Tsqlite3_vfs
	real sqlite3.Tsqlite3_vfs
	io   map[uintptr]*wrappedIO // by the table of the real file system

	mu   sync.Mutex
	wal  map[uintptr]bool // open files: whether they are write-ahead logs
	fail func(op fileOp) int32
}

// fileOp is an operation on a file.
type fileOp struct {
	name string // write, truncate or sync
	wal  bool
}

type wrappedIO struct{ table, real sqlite3.Tsqlite3_io_methods }

var faults = faultVFS{io: map[uintptr]*wrappedIO{}, wal: map[uintptr]bool{}}

// inject makes operations fail with the SQLite result code that f returns; 0 means
// that the operation succeeds. A nil f removes the fault.
func (v *faultVFS) inject(f func(fileOp) int32) {
	v.once.Do(v.install)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fail = f
}

func (v *faultVFS) install() {
	tls := libc.NewTLS()
	found := sqlite3.Xsqlite3_vfs_find(tls, 0)
	v.real = *atC[sqlite3.Tsqlite3_vfs](found)
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

// atAddress converts an address of translated C to a pointer.
func atAddress(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

// atC returns the value at an address of translated C.
func atC[T any](p uintptr) *T { return (*T)(atAddress(p)) }

// pointerTo converts a function to the form in which translated C holds it; call
// converts it back.
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

// before returns the result code that the fault has for an operation, and the
// table of the real file system.
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
