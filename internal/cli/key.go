package cli

import (
	"time"

	"jeton/internal/adminapi"
	"jeton/internal/keys"
)

// KeyCmd is the keys the server signs with.
type KeyCmd struct {
	List   KeyListCmd   `cmd:"" help:"List signing keys."`
	Rotate KeyRotateCmd `cmd:"" help:"Let the next key of a purpose sign now."`
	Retire KeyRetireCmd `cmd:"" help:"Take one key out of use."`
}

// Examples implements exampler.
func (*KeyCmd) Examples() []string {
	return []string{"jeton key list", "jeton key rotate token"}
}

// keyTable is the signing keys as a person reads them.
func keyTable(env *Env, list []keys.Info) table {
	t := table{head: []string{"KEY", "PURPOSE", "ALG", "STATE", "SIGNS", "VERIFIES UNTIL", "PUBLISHED"}, empty: "no keys yet: they are made when the first token is signed"}
	for _, k := range list {
		t.add(first(k.KID, k.ID), k.Purpose, string(k.Alg), k.State, signs(k), day(k.Ends), yesNo(k.Published))
	}
	return t
}

// signs is the time in which a key signs.
func signs(k keys.Info) string {
	if k.Retires == 0 {
		return "from " + day(k.Signs)
	}
	return day(k.Signs) + " to " + day(k.Retires)
}

func day(unix int64) string {
	if unix == 0 {
		return ""
	}
	return time.Unix(unix, 0).UTC().Format(time.DateOnly)
}

// KeyListCmd lists signing keys.
type KeyListCmd struct {
	remoteFlags
	outFlags
}

// Examples implements exampler.
func (*KeyListCmd) Examples() []string {
	return []string{"jeton key list", "jeton key list --organization acme -o json"}
}

// Exits implements exiter.
func (*KeyListCmd) Exits() []int { return []int{ExitNotFound, ExitUnreachable} }

// Run lists signing keys.
func (c *KeyListCmd) Run(env *Env) error {
	return c.with(env, func(api *adminClient) error {
		list, err := all[keys.Info](api, "/keys", nil)
		if err != nil {
			return err
		}
		return c.show(env, list, keyTable(env, list))
	})
}

// KeyRotateCmd lets the next key sign.
type KeyRotateCmd struct {
	remoteFlags
	outFlags
	Purpose string `arg:"" help:"What the key signs, as jeton key list has it."`
	Alg     string `placeholder:"ALG" help:"Algorithm of the key." otherwise:"the purpose's own"`
}

// Examples implements exampler.
func (*KeyRotateCmd) Examples() []string {
	return []string{"jeton key rotate token", "jeton key rotate token --alg RS256"}
}

// Exits implements exiter.
func (*KeyRotateCmd) Exits() []int { return []int{ExitNotFound, ExitConflict, ExitUnreachable} }

// Run rotates, and shows the keys there are then.
func (c *KeyRotateCmd) Run(env *Env) error {
	return c.with(env, func(api *adminClient) error {
		var out adminapi.List[keys.Info]
		if err := api.post("/keys/rotate", map[string]string{"purpose": c.Purpose, "alg": c.Alg}, &out); err != nil {
			return err
		}
		c.say(env, "the key before verifies what it signed until that has ended")
		return c.show(env, out.Items, keyTable(env, out.Items))
	})
}

// KeyRetireCmd takes a key out of use.
type KeyRetireCmd struct {
	remoteFlags
	outFlags
	askFlags
	Key string `arg:"" help:"Key, as jeton key list has it."`
	Now bool   `help:"End what it signed at once, as after a theft."`
}

// Examples implements exampler.
func (*KeyRetireCmd) Examples() []string {
	return []string{
		"jeton key retire p4Zt                          # what it signed lives to its end",
		"jeton key retire p4Zt --now --yes              # after a theft",
	}
}

// Exits implements exiter.
func (*KeyRetireCmd) Exits() []int { return []int{ExitNotFound, ExitConflict, ExitUnreachable} }

// Run retires the key, and shows the keys there are then.
func (c *KeyRetireCmd) Run(env *Env) error {
	return c.with(env, func(api *adminClient) error {
		if c.Now {
			if err := c.confirm(env, "key", c.Key, "ends every token it signed"); err != nil {
				return err
			}
		}
		var out adminapi.List[keys.Info]
		if err := api.post("/keys/retire", map[string]any{"key": c.Key, "now": c.Now}, &out); err != nil {
			return err
		}
		return c.show(env, out.Items, keyTable(env, out.Items))
	})
}
