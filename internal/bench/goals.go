package bench

import (
	"encoding/json"
	"fmt"
	"os"
)

// Goals say what each row may come to.
type Goals struct {
	Goals []Goal `json:"goals"`
}

// Goal is the ceiling, or the least, of one row. With Floor the row's processor
// time is divided by the sum of those floors, each as often as it says; without,
// the row's own figure counts.
type Goal struct {
	ID    string             `json:"id"`
	Row   string             `json:"row"`             // operation or figure
	Store string             `json:"store,omitempty"` // engine it is for; "" = both
	Most  float64            `json:"most,omitempty"`
	Least float64            `json:"least,omitempty"`
	Floor map[string]float64 `json:"floor,omitempty"`
}

// LoadGoals reads a file of goals; "" is no goals.
func LoadGoals(name string) (Goals, error) {
	var g Goals
	if name == "" {
		return g, nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return g, fmt.Errorf("bench: goals: %w", err)
	}
	if err := json.Unmarshal(b, &g); err != nil {
		return g, fmt.Errorf("bench: goals: %s: %w", name, err)
	}
	for _, x := range g.Goals {
		if x.ID == "" || x.Row == "" || (x.Most <= 0) == (x.Least <= 0) {
			return g, fmt.Errorf("bench: goals: %s: goal %q of row %q needs an id, a row and one of most and least", name, x.ID, x.Row)
		}
	}
	return g, nil
}

// For is the goal of a row on an engine: that of the engine itself before the one
// of both. The zero Goal when there is none.
func (g Goals) For(row, store string) Goal {
	var common Goal
	for _, x := range g.Goals {
		switch {
		case x.Row != row:
		case x.Store == store:
			return x
		case x.Store == "":
			common = x
		}
	}
	return common
}

// Of is what the goal divides by: 0 when it names no floor, or one that was not
// measured.
func (g Goal) Of(floors map[string]float64) float64 {
	var sum float64
	for name, times := range g.Floor {
		f, ok := floors[name]
		if !ok {
			return 0
		}
		sum += times * f
	}
	return sum
}

// Met reports whether a figure is within the goal, with slack; a goal that does
// not exist is met.
func (g Goal) Met(figure, slack float64) bool {
	switch {
	case g.Most > 0:
		return figure <= g.Most*(1+slack)
	case g.Least > 0:
		return figure >= g.Least/(1+slack)
	}
	return true
}
