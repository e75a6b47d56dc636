package aspire

import (
	"bytes"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"jeton/internal/dialect"
)

// swaggerPath is where the vendor's tools look for the document.
const swaggerPath = "/swagger/v1/swagger.json"

// standardDocument is the document of the standard catalogue.
var standardDocument = document(standard)

// members is a JSON object whose order does not matter: encoding/json sorts names.
type members = map[string]any

// operation is an OpenAPI operation object.
type operation struct {
	Tags        []string    `json:"tags"`
	Summary     string      `json:"summary"`
	Description string      `json:"description,omitempty"`
	ID          string      `json:"operationId"`
	Parameters  []parameter `json:"parameters,omitempty"`
	Body        any         `json:"requestBody,omitempty"`
	Responses   members     `json:"responses"`
	Security    []members   `json:"security,omitempty"`
}

type parameter struct {
	Name     string  `json:"name"`
	In       string  `json:"in"`
	Required bool    `json:"required,omitempty"`
	Summary  string  `json:"description,omitempty"`
	Schema   members `json:"schema"`
}

// document is the OpenAPI document of a catalogue.
func document(c *Catalogue) []byte {
	paths := map[string]map[string]operation{
		"/Authorization": {"post": authorization("Authorization_AuthenticateApiRequest", "Log in with ClientId and Secret",
			"AuthenticationRequest", members{"ClientId": "5b0c1f7e-3a52-4b0e-9b3e-0f6f6c1f2a11", "Secret": "demo-aspire-secret"},
			"404", "ClientId or Secret is wrong")},
		"/Authorization/RefreshToken": {"post": authorization("Authorization_RefreshToken", "Get a new pair of tokens for a refresh token",
			"RefreshTokenRequest", members{"RefreshToken": "mP0…"}, "401", "The refresh token is unknown, used or over")},
		"/Version/GetApiVersion": {"get": operation{
			Tags: []string{"Version"}, Summary: "Version of this API", ID: "Version_GetApiVersion", Parameters: []parameter{versionParameter()},
			Responses: members{"200": response("The version", members{"type": "string"}, apiVersion)},
		}},
	}
	for _, e := range c.list() {
		ops := map[string]operation{}
		for _, m := range e.methods {
			ops[strings.ToLower(m)] = protected(e, m)
		}
		paths["/"+e.path] = ops
	}
	b, err := json.MarshalIndent(struct {
		OpenAPI    string    `json:"openapi"`
		Info       members   `json:"info"`
		Tags       []members `json:"tags"`
		Paths      any       `json:"paths"`
		Components members   `json:"components"`
	}{"3.0.0", members{"title": "Aspire.ExternalApi", "version": apiVersion}, tags(c), paths, components()}, "", "  ")
	if err != nil {
		return nil // maps and texts always marshal
	}
	return b
}

func tags(c *Catalogue) []members {
	out := []members{
		{"name": "Authorization", "description": "Tokens. A token ends 24 hours after its last use."},
		{"name": "Version"},
	}
	for _, e := range c.list() {
		controller, _, _ := strings.Cut(e.path, "/")
		if !slices.ContainsFunc(out, func(t members) bool { return t["name"] == controller }) {
			out = append(out, members{"name": controller})
		}
	}
	return out
}

func authorization(id, summary, request string, example members, status, refused string) operation {
	return operation{
		Tags: []string{"Authorization"}, Summary: summary, ID: id, Parameters: []parameter{versionParameter()},
		Body: members{"required": true, "content": members{"application/json": members{"schema": ref(request), "example": example}}},
		Responses: members{
			"200":  response("Token and RefreshToken", ref("AuthenticationResponse"), members{"Token": "eyJhbGciOi…", "RefreshToken": "mP0…"}),
			"400":  refusal("A member is missing, or the body is not JSON"),
			status: refusal(refused),
			"415":  refusal("The body is not declared as JSON"),
			"429":  refusal("Too many requests; Retry-After says when to try again"),
		},
	}
}

// protected is one method of an endpoint of the product.
func protected(e endpoint, method string) operation {
	controller, action, _ := strings.Cut(e.path, "/")
	op := operation{
		Tags: []string{controller}, Summary: method + " " + strings.ReplaceAll(e.path, "/"+item, ", one object"),
		Description: "Needs scope `" + e.scope(method) + "`.", Parameters: []parameter{versionParameter()},
		Responses: members{
			"200": members{"description": "The product's answer"},
			"401": refusal("No live token was sent"),
			"403": refusal("The token's scope does not reach this endpoint"),
			"429": refusal("Too many requests; Retry-After says when to try again"),
		},
		Security: []members{{"Bearer": []string{}}},
	}
	word := method[:1] + strings.ToLower(method[1:])
	switch action {
	case "":
		op.ID = controller + "_" + word
	case item:
		op.ID = controller + "_" + word + "ById"
		op.Parameters = append(op.Parameters, parameter{Name: "id", In: "path", Required: true, Schema: members{"type": "string"}})
	default:
		op.ID = controller + "_" + action + "_" + word
	}
	return op
}

func versionParameter() parameter {
	return parameter{Name: "api-version", In: "query", Summary: "Optional and not looked at", Schema: members{"type": "string"}}
}

func ref(name string) members { return members{"$ref": "#/components/schemas/" + name} }

func response(text string, schema members, example any) members {
	return members{"description": text, "content": members{"application/json": members{"schema": schema, "example": example}}}
}

func refusal(text string) members {
	return members{"description": text, "content": members{"application/problem+json": members{"schema": ref("ProblemDetails")}}}
}

func components() members {
	text, required := members{"type": "string"}, members{"type": "string", "minLength": 1}
	return members{
		"securitySchemes": members{"Bearer": members{
			"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "Bearer Authorization Token Value",
		}},
		"schemas": members{
			"AuthenticationRequest": members{
				"type": "object", "required": []string{"ClientId", "Secret"},
				"properties": members{"ClientId": required, "Secret": required},
			},
			"RefreshTokenRequest": members{
				"type": "object", "properties": members{"RefreshToken": members{"type": "string", "nullable": true}},
			},
			"AuthenticationResponse": members{
				"type":       "object",
				"properties": members{"Token": text, "RefreshToken": members{"type": "string", "nullable": true}},
			},
			"ProblemDetails": members{
				"type": "object", "properties": members{
					"type": text, "title": text, "status": members{"type": "integer"}, "detail": text, "traceId": text,
					"errors": members{"type": "object", "additionalProperties": members{"type": "array", "items": text}},
				},
			},
		},
	}
}

func (f face) swagger(r *dialect.Request) (dialect.Reply, error) {
	c, err := For(r.Org)
	if err != nil {
		return dialect.Reply{}, err
	}
	body := standardDocument
	if c != standard {
		body = document(c)
	}
	return dialect.Reply{Status: http.StatusOK, Body: body, ContentType: "application/json; charset=utf-8", Cache: "max-age=300"}, nil
}

// index is the page people open first: which calls there are, and what each needs.
var index = template.Must(template.New("index").Parse(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Aspire.ExternalApi</title></head>
<body>
<main>
<h1>Aspire.ExternalApi {{.Version}}</h1>
<p>The document for tools: <a href="v1/swagger.json">OpenAPI 3.0.0</a>.</p>
<p>Log in with <code>POST /Authorization</code> and send the token with each call: <code>Authorization: Bearer TOKEN</code>.</p>
<table>
<caption>Operations</caption>
<thead><tr><th scope="col">Method</th><th scope="col">Path</th><th scope="col">Scope</th></tr></thead>
<tbody>
<tr><td>POST</td><td>/Authorization</td><td>none</td></tr>
<tr><td>POST</td><td>/Authorization/RefreshToken</td><td>none</td></tr>
<tr><td>GET</td><td>/Version/GetApiVersion</td><td>none</td></tr>
{{range .Rows}}<tr><td>{{.Method}}</td><td>{{.Path}}</td><td>{{.Scope}}</td></tr>
{{end}}</tbody>
</table>
</main>
</body>
</html>
`))

type row struct{ Method, Path, Scope string }

func (f face) page(r *dialect.Request) (dialect.Reply, error) {
	c, err := For(r.Org)
	if err != nil {
		return dialect.Reply{}, err
	}
	var rows []row
	for _, e := range c.list() {
		for _, m := range e.methods {
			rows = append(rows, row{m, "/" + e.path, e.scope(m)})
		}
	}
	var b bytes.Buffer
	if err := index.Execute(&b, struct {
		Version string
		Rows    []row
	}{apiVersion, rows}); err != nil {
		return dialect.Reply{}, err
	}
	reply := dialect.Reply{Status: http.StatusOK, Body: b.Bytes(), ContentType: "text/html; charset=utf-8", Cache: "max-age=300"}
	return reply.With("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"), nil
}
