"""An identity provider by pysaml2, for the tests: everybody is signed in as ada.

usage: provider.py KEY CERTIFICATE SP-METADATA assertion|response|both

Prints its metadata's address once it listens and ends with its standard input.
"""

import http.server
import sys
import threading
import urllib.parse

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.saml import NAME_FORMAT_BASIC, NAMEID_FORMAT_UNSPECIFIED, NameID
from saml2.server import Server
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

key, certificate, service, signed = sys.argv[1:]


class Provider(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, kind, body):
        data = str(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == "/metadata":
            return self.answer("application/samlmetadata+xml", entity_descriptor(config))
        if path == "/favicon.ico":
            return self.answer("image/x-icon", "")
        self.sign_in(urllib.parse.parse_qs(query), BINDING_HTTP_REDIRECT)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.sign_in(urllib.parse.parse_qs(body), BINDING_HTTP_POST)

    def sign_in(self, form, binding):
        request = idp.parse_authn_request(form["SAMLRequest"][0], binding)
        reply = idp.response_args(request.message)
        response = idp.create_authn_response(
            {"uid": ["ada"], "mail": ["ada@example.org"], "displayName": ["Ädä & <Lovelace>"], "eduPersonAffiliation": ["staff", "member"]},
            userid="ada",
            name_id=NameID(format=NAMEID_FORMAT_UNSPECIFIED, text="ada"),
            authn={"class_ref": "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"},
            sign_assertion=signed != "response",
            sign_response=signed != "assertion",
            sign_alg=SIG_RSA_SHA256,
            digest_alg=DIGEST_SHA256,
            **{k: reply[k] for k in ("in_response_to", "destination", "sp_entity_id", "name_id_policy")},
        )
        page = idp.apply_binding(BINDING_HTTP_POST, str(response), reply["destination"], form.get("RelayState", [""])[0], response=True)
        self.answer("text/html", page["data"])


listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
base = "http://127.0.0.1:%d" % listener.server_port
config = IdPConfig().load(
    {
        "entityid": base + "/metadata",
        "key_file": key,
        "cert_file": certificate,
        "metadata": {"local": [service]},
        "service": {
            "idp": {
                "endpoints": {"single_sign_on_service": [(base + "/sso", BINDING_HTTP_REDIRECT), (base + "/sso", BINDING_HTTP_POST)]},
                "policy": {"default": {"lifetime": {"minutes": 5}, "name_form": NAME_FORMAT_BASIC}},
            }
        },
    }
)
idp = Server(config=config)
threading.Thread(target=listener.serve_forever, daemon=True).start()
print(base + "/metadata", flush=True)
sys.stdin.read()
