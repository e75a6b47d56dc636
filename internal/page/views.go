package page

import "time"

// Frame is what every page shares: where its links begin, whose pages these are,
// in which language, and who is signed in.
type Frame struct {
	Site    string // path links begin with, no trailing slash: "" or "/acme"
	Brand   Brand  // of the organization
	Lang    string // one of Languages
	Demo    bool
	Token   string // ties a form to this browser; every form posts it as "token"
	Request string // sealed authorization request; forms post it as "r", "" = none
	Account string // name of the signed-in person, "" = nobody
	Current string // entry of the account menu that is open: overview profile password sessions clients keys activity
	ErrorID string // shown small on pages of errors
	Back    string // URL where "start again" leads, "" = nowhere
}

// Brand is how an organization looks.
type Brand struct {
	Name   string // "" = Jeton
	Logo   string // path below Frame.Site, "" = ours
	Accent string // "#rrggbb", "" = ours; read against white and black on save
	Help   string // URL of the footer's Help, "" = none
	Terms  string // URL of the footer's Privacy, "" = none
}

// Note is a message at the head of a page: a catalogue key and what it speaks of.
type Note struct {
	Kind string // info ok warn danger
	Key  string // catalogue key; "" = no note
	Args []any
}

// Choice is one entry of a list to choose from.
type Choice struct{ Value, Label string }

// SignIn asks who somebody is.
type SignIn struct {
	Client  string   // name of the client that asks, "" = our own account pages
	Name    string   // as typed, or hinted
	Fixed   bool     // Name is settled: the person proves again who they are
	Realms  []Choice // offered only when more than one
	Realm   string
	Forgot  string   // URL for who forgot the password, "" = none
	Sources []Choice // other ways to sign in: Value is the URL, Label the name
	Local   bool     // a password form is offered at all
	Problem Note
	Wrong   string // field at fault: name, password, "" = none
}

// Accounts asks which account to go on with.
type Accounts struct {
	Client string
	Name   string // signed in
	Mail   string
}

// NewPassword asks for a new password, because it is due or because somebody wants one.
type NewPassword struct {
	Due     bool // it must be changed before going on
	Minimum int  // characters
	Problem Note
	Wrong   string // old, new, again
}

// CodeEntry asks for a code of a second factor.
type CodeEntry struct {
	Kind    string // totp sms email recovery
	Target  string // masked, for sms and email
	Name    string
	Digits  int // of the code; recovery codes have none
	Problem Note
}

// Consent asks whether a client may.
type Consent struct {
	Client   string
	Name     string // who is signed in
	Mail     string
	Reviewed bool // somebody of the organization looked at the client
	Added    time.Time
	Host     string  // where the person is sent
	Scopes   []Grant // asked for now
	Before   []Grant // allowed before
	Home     string  // of the client; "" = unknown
	Policy   string
	Terms    string
	Wrong    string // catalogue key of what is missing
}

// Grant is one scope in words for people.
type Grant struct {
	Value  string   // as posted back: "scope"
	Key    string   // catalogue key of a well-known scope, "" = Text
	Text   string   // the organization's own words
	Detail []string // small lines: method and path
	Needed bool     // cannot be unticked
}

// HandOver leaves for a client after a form was posted: a redirect would be held
// back by form-action.
type HandOver struct {
	Client string
	Host   string
	URL    string
}

// FormPost sends the answer as a form (OAuth 2.0 Form Post Response Mode).
type FormPost struct {
	Client string
	Host   string
	Action string
	Fields []Choice // Value = name, Label = value
	Onward bool     // to where somebody signs in, not back to a client
}

// SignOut asks whether to sign out.
type SignOut struct {
	Client string // that asked for it, "" = the person
	Name   string
}

// SignedOut says that it happened.
type SignedOut struct {
	Client string // to go back to
	URL    string // "" = nowhere
	Told   int    // clients that are being told
}

// Problem is a page of an error: people's sentence first, the developer's facts folded.
type Problem struct {
	Status int
	Key    string // catalogue key of title and sentence: problem.KEY.title, problem.KEY.text
	Args   []any
	Facts  []Choice // for the developer: Value = name, Label = what was there
	Retry  int      // seconds, 0 = unknown
}

// Overview is the account's first page.
type Overview struct {
	Name, Mail string
	Since      time.Time // the account was made; zero = not shown
	Sessions   int
	Clients    int
	Keys       int
	Note       Note
}

// Profile shows and changes what is known about a person.
type Profile struct {
	Fields  []Field
	Source  string // where they come from, "" = here
	Note    Note
	Wrong   string // name of the field at fault, "" = none
	Problem string // catalogue key of what is wrong with it: profile.wrong.…
}

// Field is one line of a form.
type Field struct {
	Name, Key, Value, Auto string // Key = catalogue key of the label; Auto = autocomplete token
	Fixed                  bool
}

// Sessions lists where somebody is signed in.
type Sessions struct {
	List []SessionLine
	Note Note
}

// SessionLine is one browser.
type SessionLine struct {
	ID, Agent, Addr string
	Opened, Used    time.Time
	This            bool
}

// Clients lists who has access to an account.
type Clients struct {
	List []ClientLine
	Note Note
}

// ClientLine is one client with access.
type ClientLine struct {
	ID, Name string
	Scopes   []Grant
	Since    time.Time
	Tokens   int
}

// Keys lists public keys and takes another.
type Keys struct {
	List    []KeyLine
	Typed   string
	Label   string
	Problem Note
	Wrong   string // field at fault: pem, label; "" with a Problem = pem
	Note    Note
}

// KeyLine is one public key.
type KeyLine struct {
	ID, Label, Kind, Print string // Kind "RSA 3072"; Print "SHA256:…"
	Added                  time.Time
}

// Activity lists what happened with an account.
type Activity struct {
	List []ActivityLine
	More string // URL of older lines, "" = none
}

// ActivityLine is one event.
type ActivityLine struct {
	At      time.Time
	Key     string // catalogue key "activity.…"; one that is not there reads "Other request"
	Client  string
	Addr    string
	OK      bool
	ErrorID string
}

// Confirm asks once more before something ends.
type Confirm struct {
	Key    string // session sessions client key: confirm.KEY.title, .text, .do
	Args   []any
	Action string   // path below Frame.Site the form posts to
	Fields []Choice // Value = name, Label = value
	Cancel string   // path below Frame.Site that leads back
	Danger bool
}
