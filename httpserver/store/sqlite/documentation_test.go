package sqlite

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/internal/sample"
)

// The queries that docs/operations.md shows are about tables and columns that
// exist.
func TestDocumentation_QueriesAreOfThisSchema(t *testing.T) {
	text, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "plane.db")
	open(t, file)
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	queries := 0
	for _, block := range sample.Blocks(string(text)) {
		if block.Language != "sql" {
			continue
		}
		for query := range strings.Lines(block.Text) {
			queries++
			rows, err := db.QueryContext(t.Context(), query)
			if err != nil {
				t.Errorf("%s: %v", strings.TrimSpace(query), err)
				continue
			}
			if err := rows.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if queries < 3 {
		t.Errorf("%d queries; want more: the search is broken", queries)
	}
}
