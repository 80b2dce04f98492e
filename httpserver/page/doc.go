// Package page is the live page: the fleet as it is, for an operator's browser
// (docs/live-page.md, decision 065).
//
// It only reads. It asks the plane with queries, through functions that its caller
// gives it, and answers GET and HEAD alone. It knows no certificate: its caller checks
// who asks before it hands over a request. It asks for nothing from elsewhere, and a
// content security policy enforces that in the browser.
//
//	GET ./               the page, as the server has rendered it
//	GET ./events         server-sent events: the parts of the page that have changed
//	GET ./host?name=N    one host: why it is where it is, its records
//	GET ./rollout?id=I   one rollout: its counts, a page of its hosts
//	GET ./style.css      and ./page.js
//
// Links are relative, so the page may be served below any path that ends in a slash.
//
// # One rendering for all
//
// The page has parts. While it is watched, and at most once a second, the feed asks the
// plane one query, renders each part, and keeps the version in which a part last
// changed. A stream sends its viewer the parts that are newer than what the viewer has.
// So the reducer's load does not depend on the number of viewers, nothing is queued for
// a slow one, and one that does not read for ten seconds is dropped.
//
// # The caller's duties
//
//  1. Run [Page.Run] beside the server, until [Page.Close].
//  2. Check the caller of each request before [Page.ServeHTTP], and give Config.Allowed
//     a function that says whether that check would still pass, for open streams.
//  3. Call [Page.Close] when the server begins to drain: it ends the streams.
//
// Stability: private; other modules should not import it (docs/architecture.md).
package page
