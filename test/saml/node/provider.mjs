// An identity provider by samlp, for the tests: everybody is signed in as ada.
//
// usage: node provider.mjs KEY CERTIFICATE SP-ENTITY-ID ACS assertion|response|both
//
// Prints its metadata's address once it listens and ends with its standard input.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import samlp from "samlp";

const [keyFile, certificateFile, audience, acs, signed] = process.argv.slice(2);
const key = readFileSync(keyFile), cert = readFileSync(certificateFile);

const ada = {
  id: "ada",
  displayName: "Ädä & <Lovelace>",
  name: { givenName: "Ada", familyName: "Lovelace" },
  emails: [{ value: "ada@example.org" }],
  groups: ["staff", "member"],
};

// samlp speaks to Express; these are the parts of Express it uses.
function express(req, res, body) {
  const url = new URL(req.url, "http://127.0.0.1");
  req.originalUrl = req.url;
  req.protocol = "http";
  req.query = Object.fromEntries(url.searchParams);
  req.body = Object.fromEntries(new URLSearchParams(body));
  res.set = (name, value) => res.setHeader(name, value);
  res.send = (status, text) => {
    if (typeof status === "number") res.statusCode = status;
    res.end(String(text ?? status));
  };
}

let issuer;
const server = createServer(async (req, res) => {
  let body = "";
  for await (const chunk of req) body += chunk;
  express(req, res, body);
  if (req.url === "/metadata") {
    return samlp.metadata({ issuer, cert, redirectEndpointPath: "/sso", postEndpointPath: "/sso" })(req, res);
  }
  samlp.auth({
    issuer, cert, key, audience,
    recipient: acs,
    destination: acs,
    lifetimeInSeconds: 300,
    signAssertion: signed !== "response",
    signResponse: signed !== "assertion",
    authnContextClassRef: "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
    nameIdentifierFormat: "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
    getUserFromRequest: () => ada,
    getPostURL: (_audience, _request, _req, done) => done(null, acs),
  })(req, res, (err) => {
    res.statusCode = 500;
    res.end(String(err?.stack ?? err));
  });
});

server.listen(0, "127.0.0.1", () => {
  issuer = `http://127.0.0.1:${server.address().port}/metadata`;
  console.log(issuer);
});
process.stdin.on("end", () => process.exit(0)).resume();
