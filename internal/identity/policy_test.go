package identity

import (
	"strings"
	"testing"

	"jeton/internal/oauth"
)

func TestAPasswordAPersonChoosesIsLongEnoughAndHardToGuess(t *testing.T) {
	for _, c := range []struct {
		password   string
		onlyFactor bool
		ok         bool
	}{
		{"kettle-7-orbit", false, true}, {"kettle-7-orbit", true, false}, {"kettle-7-orbit-x", true, true},
		{"korbitx", false, false}, {"korbitxy", false, true}, {"", false, false},
		{"über-ähnlich", false, true}, {"éééßßüü", false, false}, // characters count, not bytes
		{"no rules of composition here", true, true}, {strings.Repeat("korbitxy ", 113), true, true}, {strings.Repeat("x1", 513), true, false},
		{"password", false, false}, {"Password", false, false}, {"P@ssw0rd", false, false}, {"passw0rd123!", false, false},
		{"passwordpassword", true, false}, {"password1234567", true, false}, {"!!!Password2026!!!", true, false}, {"iloveyou2", false, false},
		{"qwertyuiop", false, false}, {"correcthorsebatterystaple", true, false}, {"administrator", false, false}, {"contraseña", false, false},
		{"aaaaaaaaaaaaaaa", true, false}, {"abababababababab", true, false}, {"xyz!xyz!xyz!xyz!", true, false},
		{"1234567890123456", true, false}, {"9876543210987654", true, false}, {"bcdefghijklmnopq", true, false},
		{"alice.smith", false, false}, {"AliceSmith1", false, false}, {"4lice.sm1th!!", false, false}, {"jeton-jeton-2026", true, false},
		{"alice.smith rides a kettle", true, true},
	} {
		err := CheckPassword(oauth.Secret(c.password), c.onlyFactor, "alice.smith@example.org", "AliceSmith", "Jeton", "x")
		if (err == nil) != c.ok {
			t.Errorf("%.30q, only factor %v: %v", c.password, c.onlyFactor, err)
		}
		if err == nil {
			continue
		}
		if e := oauth.AsRefusal(err); e.Code != oauth.InvalidValue || e.Param != "password" {
			t.Errorf("%.30q is refused with %+v", c.password, e)
		}
		if len(c.password) > 7 && c.password != "password" && strings.Contains(err.Error(), c.password) {
			t.Errorf("the refusal repeats the password: %v", err)
		}
	}
}

func TestTheListOfCommonPasswordsIsRead(t *testing.T) {
	if n := len(common); n < 200 {
		t.Errorf("%d words", n)
	}
}
