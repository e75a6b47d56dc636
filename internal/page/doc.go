// Package page is what the faces for people share: layout, templates, texts in
// each language, assets, the policy browsers are told, and the token that ties a
// form to the browser it was shown to. It draws what it is given; it never looks
// anything up and decides nothing.
//
// A handler fills a view (views.go) and calls Set.HTML. Forms post, below
// Frame.Site:
//
//	SignIn       /login                  name password realm
//	Accounts     /login/account          choice = this | other
//	NewPassword  /login/password (due)   old new again
//	             /account/password       old new again
//	CodeEntry    /login/code             code
//	Consent      /consent                decision = allow | deny, scope repeated
//	SignOut      /logout
//	Profile      /account/profile        the fields' own names
//	Sessions     /account/sessions/end   id, or all = 1
//	Clients      /account/clients/remove client
//	Keys         /account/keys/add       pem label
//	             /account/keys/remove    id
//	Confirm      its Action              its Fields
//	every page   /lang                   lang, current = Frame.Current
//
// each with token, and with r when Frame.Request is set. "Switch account" on a
// page of a sign-in posts choice = other to /login/account.
package page
