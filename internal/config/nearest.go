package config

// Nearest is the known name a mistyped word most likely stands for, "" when none
// is near. Near means at most a third of the longer name's letters were changed,
// dropped, added or swapped; of equally near ones the first wins.
func Nearest(word string, known []string) string {
	best, least := "", len(word)+1
	for _, k := range known {
		if limit := max(len(word), len(k)) / 3; limit > 0 {
			if d := distance(word, k); d <= limit && d < least {
				best, least = k, d
			}
		}
	}
	return best
}

// longest is how long a word may be before Nearest stops guessing: distance
// costs time in the product of both lengths.
const longest = 64

// distance counts the single-byte changes between a and b, a swap of two
// neighbours being one (optimal string alignment).
func distance(a, b string) int {
	if len(a) > longest || len(b) > longest {
		return max(len(a), len(b))
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
