package wire

// Nearest returns the word among known that got is probably a misspelling of, or "":
// the one with the fewest bytes changed, put in or left out, if that is about a third
// of them at most. Of several the first one is returned.
func Nearest(got string, known []string) string {
	const longest = 80 // longer than any name that is asked for
	if len(got) > longest {
		return ""
	}
	best, fewest := "", 1+(1+len(got))/3
	for _, word := range known {
		if d := EditDistance(got, word); d < fewest {
			best, fewest = word, d
		}
	}
	return best
}

// EditDistance is the Levenshtein distance of two texts, in bytes.
func EditDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
