// Package cli is the command line: one struct per command, whose tags are the
// manual and whose Run does the work. The server commands open the rooms through
// package server; the others are clients of the admin API on the server's socket.
// It is called by cmd/jeton only, reads no flag a command does not show in its
// help, and takes no secret as an argument.
package cli

// root is the whole command line. Groups are those of `jeton --help`.
type root struct {
	Serve     ServeCmd     `cmd:"" group:"Start" help:"Run the server."`
	Demo      DemoCmd      `cmd:"" group:"Start" help:"Run a throw-away server with example users and clients, on loopback."`
	Admin     AdminCmd     `cmd:"" group:"Start" help:"Create an administrator."`
	SetupLink SetupLinkCmd `cmd:"" group:"Start" help:"Print a new link for creating the first administrator."`
	CA        CACmd        `cmd:"" name:"ca" group:"Start" help:"Print the path of the server's own certificate authority."`

	Token   TokenCmd   `cmd:"" group:"Tokens" help:"Get a token as a client of a dialect would."`
	Explain ExplainCmd `cmd:"" group:"Tokens" help:"Say what a token is worth, or why a request was refused."`
	Revoke  RevokeCmd  `cmd:"" group:"Tokens" help:"End tokens before their time."`

	Client ClientCmd `cmd:"" group:"Manage" help:"Register and change clients."`
	User   UserCmd   `cmd:"" group:"Manage" help:"Add and change users."`
	Realm  RealmCmd  `cmd:"" group:"Manage" help:"List and change realms."`
	SAML   SAMLCmd   `cmd:"" name:"saml" group:"Manage" help:"List and change SAML identity providers."`
	Key    KeyCmd    `cmd:"" group:"Manage" help:"List and rotate signing keys."`

	Session SessionCmd `cmd:"" group:"Manage" help:"List browsers that are signed in, and sign them out."`
	Consent ConsentCmd `cmd:"" group:"Manage" help:"List what people allowed clients, and take it back."`
	Logout  LogoutCmd  `cmd:"" group:"Manage" help:"See whether clients were told of a logout."`

	Lint   LintCmd   `cmd:"" group:"Configuration" help:"Check a configuration file."`
	Apply  ApplyCmd  `cmd:"" group:"Configuration" help:"Make the server what a configuration file says."`
	Export ExportCmd `cmd:"" group:"Configuration" help:"Write the server's objects as a configuration file."`

	Healthcheck HealthcheckCmd `cmd:"" group:"Other" help:"Ask the server of this machine whether it is alive."`
	Completion  CompletionCmd  `cmd:"" group:"Other" help:"Print completions for a shell."`
	Version     VersionCmd     `cmd:"" group:"Other" help:"Print the version."`
}

// exampler is what every command offers for its --help: two lines that run as
// they stand, each with what it does after two spaces and a number sign.
type exampler interface{ Examples() []string }

// exiter is a command with exit codes beyond 0, 1 and 2.
type exiter interface{ Exits() []int }
