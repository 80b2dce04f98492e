// Package store defines where the plane's event log is kept: the interface that
// the server uses. The implementations are packages of their own:
//
//	httpserver/store/sqlite    sqlite.DB: one SQLite file, for production
//	httpserver/store/memory    memory.Log: no disk, for tests and demos
package store
