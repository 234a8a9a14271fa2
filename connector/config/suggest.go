package config

import (
	"fmt"
	"slices"
	"strings"
)

// suggest gives a hint for a word that is none of the known ones: the nearest
// where one is near, else all of them.
func suggest(word string, known []string) string {
	if near := nearest(word, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(known) == 0 {
		return ""
	}
	known = slices.Sorted(slices.Values(known))
	return "known are: " + strings.Join(known, ", ")
}

// nearest gives the known word that a person most probably meant, or nothing.
func nearest(word string, known []string) string {
	best, least := "", max(1, min(len(word), 12)/3)+1
	plain := simplify(word)
	for _, k := range known {
		if d := distance(plain, simplify(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// simplify drops what people mix up in keys.
func simplify(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(s))
}

// distance is how many letters are to be added, dropped, replaced or swapped
// with their neighbour to make b of a.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
