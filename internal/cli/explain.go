package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"jeton/internal/adminapi"
	"jeton/internal/audit"
)

// ExplainCmd says what a token is worth, or why a request was refused.
type ExplainCmd struct {
	remoteFlags
	outFlags
	What string `arg:"" help:"An error id, @PROFILE, a token, or - to read either from standard input. Other users of the machine can read arguments: prefer @PROFILE and - for live tokens."`
}

// Examples implements exampler.
func (*ExplainCmd) Examples() []string {
	return []string{
		"jeton explain @fortiauth                       # what jeton token saved",
		"jeton explain 01JD8Y2M7QABC                    # header Jeton-Error-Id of a refusal",
	}
}

// Exits implements exiter.
func (*ExplainCmd) Exits() []int { return []int{ExitNotFound, ExitUnreachable} }

// Run asks the server. A token travels in the body, never in an address.
func (c *ExplainCmd) Run(env *Env) error {
	what, err := tokenArgument(env, c.What)
	if err != nil {
		return err
	}
	return c.with(env, func(api *adminClient) error {
		if _, err := audit.ParseID(what); err == nil {
			var r audit.Record
			if err := api.get("/events"+escaped(what), nil, &r); err != nil {
				return explainHint(err)
			}
			if c.Output != "table" {
				return c.show(env, &r, table{})
			}
			return explainRecord(env, &r)
		}
		var x adminapi.Explanation
		if err := api.post("/tokens/explain", map[string]string{"token": what}, &x); err != nil {
			return err
		}
		if c.Output != "table" {
			return c.show(env, x, table{})
		}
		return explainToken(env, x)
	})
}

func explainHint(err error) error {
	e := exitOf(err)
	if e.Code == ExitNotFound {
		e.Next = "records of refusals are kept for a while only; make the request again and explain its id"
	}
	return e
}

// lead is the width of the words explanations begin with.
const lead = 10

func explainLine(b *strings.Builder, name, format string, args ...any) {
	fmt.Fprintf(b, "%-*s%s\n", lead, name, oneLine(fmt.Sprintf(format, args...)))
}

// explainToken prints kind, whose, may, time and verdict.
func explainToken(env *Env, x adminapi.Explanation) error {
	var b strings.Builder
	explainLine(&b, "kind", "%s", tokenKind(x))
	if x.Dialect != "" {
		explainLine(&b, "for", "dialect %s, client %s%s, organization %s", x.Dialect, x.Client, quotedName(x), x.Organization)
	}
	if x.User != "" {
		explainLine(&b, "user", "%s", x.User)
	}
	if len(x.Scope)+len(x.Withheld) > 0 {
		explainLine(&b, "may", "%s", tokenScope(x))
	}
	if len(x.Audience) > 0 {
		explainLine(&b, "at", "%s", strings.Join(x.Audience, " "))
	}
	if x.Issued+x.Expires != 0 || x.Accepted {
		explainLine(&b, "time", "%s", tokenTimes(env, x))
	}
	if x.Claims != nil {
		explainLine(&b, "header", "%s", compactJSON(x.Header))
		explainLine(&b, "claims", "%s", compactJSON(x.Claims))
	}
	explainLine(&b, "verdict", "%s", x.Verdict)
	if x.Next != "" {
		explainLine(&b, "next:", "%s", x.Next)
	}
	_, err := fmt.Fprint(env.Stdout, b.String())
	return err
}

func tokenKind(x adminapi.Explanation) string {
	switch x.Format {
	case "jwt":
		out := x.Kind + ", JWT " + x.Alg
		if x.Key != "" {
			out += ", key " + x.Key
		}
		switch x.Signature {
		case "good":
			return out + " (" + x.KeyState + ", signature good)"
		case "bad":
			return out + " (" + x.KeyState + ", signature bad)"
		}
		return out + " (not a key of this server, signature not checked)"
	case "opaque":
		return x.Kind + ", opaque"
	}
	return x.Kind
}

func quotedName(x adminapi.Explanation) string {
	if x.ClientName == "" || x.ClientName == x.Client {
		return ""
	}
	return fmt.Sprintf(" %q", x.ClientName)
}

// shownScopes is how many scope values a line lists.
const shownScopes = 12

func tokenScope(x adminapi.Explanation) string {
	all := len(x.Scope) + len(x.Withheld)
	out := fmt.Sprintf("%s (%d of %d)", someOf(x.Scope), len(x.Scope), all)
	if len(x.Withheld) > 0 {
		out += "      not: " + someOf(x.Withheld)
	}
	return out
}

func someOf(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	if len(list) > shownScopes {
		return strings.Join(list[:shownScopes], " ") + " …"
	}
	return strings.Join(list, " ")
}

func tokenTimes(env *Env, x adminapi.Explanation) string {
	out := "issued " + since(env, x.Issued, "at a time unknown")
	if x.Refreshed > 0 {
		out += ", refreshed " + count(int(x.Refreshed), "time")
	}
	if x.Rolls != 0 {
		out += ", used " + since(env, x.Used, "never") + "; rolls: ends " + span(time.Duration(x.Rolls)*time.Second) + " after last use"
		if x.Expires != 0 {
			out += ", at the latest " + day(x.Expires)
		}
		return out
	}
	switch {
	case x.Expires == 0 && x.Accepted:
		return out + ", never ends (0)"
	case x.Expires == 0:
		return out
	case env.Now().Unix() >= x.Expires:
		return out + ", ended " + since(env, x.Expires, "")
	}
	return out + ", ends " + since(env, x.Expires, "")
}

func compactJSON(raw json.RawMessage) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	return strings.Join(strings.Fields(strings.ReplaceAll(string(raw), "\n", " ")), " ")
}

// explainRecord prints how a request ended and the checks that were made, in their
// order.
func explainRecord(env *Env, r *audit.Record) error {
	var b strings.Builder
	head := []string{r.Code, r.Route, r.At.UTC().Format("2006-01-02 15:04:05Z")}
	if r.Event != "" && r.Event != "request" {
		head = append(head, r.Event)
	}
	for _, x := range []struct{ name, value string }{
		{"client", r.Client}, {"user", r.User}, {"grant", r.Grant}, {"by", r.Actor}, {"changed", r.Object}, {"from", r.Addr},
	} {
		if x.value != "" {
			head = append(head, x.name+" "+x.value)
		}
	}
	if r.Shown != "" {
		head = append(head, fmt.Sprintf("(shown to it: %q)", r.Shown))
	}
	explainLine(&b, string(r.Outcome), "%s", joinWide(head))
	if r.Cause != "" {
		explainLine(&b, "cause", "%s", r.Cause)
	}
	explainChecks(&b, r.Checks)
	_, err := fmt.Fprint(env.Stdout, b.String())
	return err
}

func joinWide(parts []string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, "   ")
}

// explainChecks puts neighbouring checks that held on one line.
func explainChecks(b *strings.Builder, checks []audit.Check) {
	var held []string
	flush := func() {
		if len(held) > 0 {
			fmt.Fprintf(b, "  ok  %s\n", oneLine(strings.Join(held, ", ")))
			held = nil
		}
	}
	for _, c := range checks {
		if c.OK {
			held = append(held, strings.TrimSpace(c.Name+" "+c.Got))
			continue
		}
		flush()
		line := c.Name
		if c.Got != "" {
			line += " " + c.Got
		}
		if c.Want != "" {
			line += " (wanted: " + c.Want + ")"
		}
		if c.Next != "" {
			line += "      next: " + c.Next
		}
		fmt.Fprintf(b, "  no  %s\n", oneLine(line))
	}
	flush()
}
