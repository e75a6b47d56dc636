package cli

import (
	"strconv"

	"jeton/internal/adminapi"
)

// RealmCmd is the realms of an organization: sets of users that share names.
type RealmCmd struct {
	List   RealmListCmd   `cmd:"" help:"List realms."`
	Create RealmCreateCmd `cmd:"" help:"Add a realm."`
	Delete RealmDeleteCmd `cmd:"" help:"Delete a realm nobody is in."`
}

// Examples implements exampler.
func (*RealmCmd) Examples() []string {
	return []string{"jeton realm list", "jeton realm create partners"}
}

// RealmListCmd lists realms.
type RealmListCmd struct {
	remoteFlags
	outFlags
}

// Examples implements exampler.
func (*RealmListCmd) Examples() []string {
	return []string{"jeton realm list", "jeton realm list --organization acme -o json"}
}

// Exits implements exiter.
func (*RealmListCmd) Exits() []int { return []int{ExitNotFound, ExitUnreachable} }

// Run lists realms.
func (c *RealmListCmd) Run(env *Env) error {
	return c.with(env, func(api *adminClient) error {
		list, err := all[adminapi.Realm](api, "/realms", nil)
		if err != nil {
			return err
		}
		t := table{head: []string{"NAME", "TITLE", "ORGANIZATION", "DEFAULT", "USERS"}, empty: "no realms; next: jeton realm create NAME"}
		for _, r := range list {
			users := ""
			if r.Users != nil {
				users = strconv.FormatInt(*r.Users, 10)
			}
			t.add(r.Name, r.Title, r.Organization, yesNo(r.Default), users)
		}
		return c.show(env, list, t)
	})
}

// RealmCreateCmd adds a realm.
type RealmCreateCmd struct {
	remoteFlags
	outFlags
	Name    string `arg:"" help:"Name of the realm."`
	Title   string `placeholder:"TEXT" help:"What people read on the sign-in page." otherwise:"the name"`
	Default bool   `help:"User names without a realm belong to this one from now on."`
}

// Examples implements exampler.
func (*RealmCreateCmd) Examples() []string {
	return []string{"jeton realm create partners", "jeton realm create staff --default"}
}

// Exits implements exiter.
func (*RealmCreateCmd) Exits() []int { return []int{ExitRefused, ExitConflict, ExitUnreachable} }

// Run adds the realm.
func (c *RealmCreateCmd) Run(env *Env) error {
	return c.with(env, func(api *adminClient) error {
		var r adminapi.Realm
		if err := api.post("/realms", map[string]any{"name": c.Name, "title": c.Title, "default": c.Default}, &r); err != nil {
			return err
		}
		return c.show(env, r, fields("name", r.Name, "title", r.Title, "organization", r.Organization, "default", yesNo(r.Default)))
	})
}

// RealmDeleteCmd deletes a realm.
type RealmDeleteCmd struct {
	remoteFlags
	outFlags
	askFlags
	Name string `arg:"" help:"Name of the realm."`
}

// Examples implements exampler.
func (*RealmDeleteCmd) Examples() []string {
	return []string{
		"jeton realm delete partners                    # asks for the name",
		"jeton realm delete partners --yes",
	}
}

// Exits implements exiter.
func (*RealmDeleteCmd) Exits() []int { return []int{ExitNotFound, ExitConflict, ExitUnreachable} }

// Run asks and deletes.
func (c *RealmDeleteCmd) Run(env *Env) error {
	return c.with(env, func(api *adminClient) error {
		if err := c.confirm(env, "realm", c.Name, "takes no user along: only an empty realm goes"); err != nil {
			return err
		}
		if err := api.remove("/realms" + escaped(c.Name)); err != nil {
			return err
		}
		c.say(env, "realm %s deleted", c.Name)
		return nil
	})
}
