"""A web site of a few lines over authlib: one person at a time.

Arguments: issuer, client id, secret. It prints its address when it listens and ends
with a signal. What it knows of whoever is signed in is shown as JSON.
"""

import html
import json
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.oidc.core import CodeIDToken

issuer, client_id, secret = sys.argv[1:4]
provider = requests.get(issuer + "/.well-known/openid-configuration", timeout=20).json()
keys = JsonWebKey.import_key_set(requests.get(provider["jwks_uri"], timeout=20).json())
kept = {}  # of the request on its way, and of whoever is signed in


def session():
    return OAuth2Session(
        client_id, secret, scope="openid profile email groups", redirect_uri=own + "/callback",
        code_challenge_method="S256", token_endpoint=provider["token_endpoint"], token=kept.get("token"),
    )


def begin(more):
    kept.update(verifier=generate_token(48), nonce=generate_token(20))
    address, kept["state"] = session().create_authorization_url(
        provider["authorization_endpoint"], nonce=kept["nonce"], code_verifier=kept["verifier"], **more)
    return address


def finish(address, query):
    if "error" in query:
        return 502, {"Error": query["error"]}
    if query.get("iss") != issuer:
        return 502, {"Error": "another server's answer"}
    kept["token"] = session().fetch_token(
        provider["token_endpoint"], authorization_response=own + address, state=kept["state"], code_verifier=kept["verifier"])
    return known()


def known():
    token, nonce = kept["token"], kept.pop("nonce", None)  # a refreshed ID token has none (OpenID Connect Core §12.2)
    claims = JsonWebToken(["RS256"]).decode(
        token["id_token"], keys, claims_cls=CodeIDToken,
        claims_options={"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}},
        claims_params={"client_id": client_id, "access_token": token["access_token"], **({"nonce": nonce} if nonce else {})})
    claims.validate(leeway=5)  # at_hash and nonce too
    info = session().get(provider["userinfo_endpoint"], timeout=20)
    info.raise_for_status()
    return 200, {"Claims": dict(claims), "Info": info.json(), "ID": token["id_token"], "Token": token["access_token"], "Refresh": token["refresh_token"]}


def refresh():
    was = kept["token"]
    kept["token"] = session().refresh_token(provider["token_endpoint"], refresh_token=was["refresh_token"])
    kept["token"].setdefault("id_token", was["id_token"])
    return known()


class Site(BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        query = dict(urllib.parse.parse_qsl(query))
        try:
            if path == "/login":
                return self.go(begin(query))
            if path == "/form":
                return self.form(begin(query))
            if path == "/logout":
                return self.go(provider["end_session_endpoint"] + "?" + urllib.parse.urlencode(
                    {"id_token_hint": kept["token"]["id_token"], "post_logout_redirect_uri": own + "/bye", "state": "s"}))
            if path == "/callback":
                status, what = finish(self.path, query)
            elif path == "/refresh":
                status, what = refresh()
            elif path == "/bye":
                status, what = 200, {"SignedOut": True, "State": query.get("state")}
            else:
                status, what = 404, {}
        except Exception as e:  # whatever the library found wrong is for the test
            status, what = 502, {"Error": repr(e)}
        self.page(status, html.escape(json.dumps(what), quote=False))

    def go(self, address):
        self.send_response(302)
        self.send_header("Location", address)
        self.end_headers()

    def form(self, address):
        """The authorization request as a form that sends itself (OpenID Connect Core §3.1.2.1)."""
        to, _, query = address.partition("?")
        fields = "".join(
            f'<input type="hidden" name="{html.escape(n)}" value="{html.escape(v)}">' for n, v in urllib.parse.parse_qsl(query))
        self.page(200, f'<form method="post" action="{html.escape(to)}">{fields}</form>'
                  '<script>document.forms[0].submit()</script>')

    def page(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(f'<!doctype html><html lang="en"><head><title>Site</title><link rel="icon" href="data:,"></head><body>{body}</body></html>'.encode())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
own = f"http://127.0.0.1:{server.server_port}"
print(own, flush=True)
server.serve_forever()
