-- needs: 1

-- organizations and clients: read whole, kept in memory by every node
CREATE TABLE org (
  id      TEXT PRIMARY KEY,
  version BIGINT NOT NULL,
  body    TEXT NOT NULL
) CLUSTERED;

CREATE TABLE client (
  org     TEXT NOT NULL,
  id      TEXT NOT NULL,
  version BIGINT NOT NULL,
  body    TEXT NOT NULL,
  PRIMARY KEY (org, id)
) CLUSTERED;

CREATE TABLE users (
  id             BIGKEY,
  org            TEXT NOT NULL,
  realm          TEXT NOT NULL,
  canon          TEXT NOT NULL,
  mail           TEXT NOT NULL,
  enabled        BIGINT NOT NULL,
  expires        BIGINT NOT NULL,
  password       TEXT NOT NULL,
  revoked_before BIGINT NOT NULL,
  version        BIGINT NOT NULL,
  body           TEXT NOT NULL
);

CREATE UNIQUE INDEX users_name ON users (org, realm, canon);

CREATE INDEX users_mail ON users (org, mail);

-- the key holds the hour of the end: no index on expiry, none on the hash
CREATE TABLE family (
  id         BIGKEY,
  org        TEXT NOT NULL,
  dialect    TEXT NOT NULL,
  client     TEXT NOT NULL,
  user_id    BIGINT NOT NULL,
  created    BIGINT NOT NULL,
  expires    BIGINT NOT NULL,
  idle       BIGINT NOT NULL,
  ends       BIGINT NOT NULL,
  used       BIGINT NOT NULL,
  prev_used  BIGINT NOT NULL,
  generation BIGINT NOT NULL,
  secret     BYTES,
  previous   BYTES,
  rotated    BIGINT NOT NULL,
  revoked    BIGINT NOT NULL,
  fixed      TEXT NOT NULL -- subject, scope, audience, amr, confirm, note, auth_time, user_since, client_since
);

CREATE TABLE alias (
  hash       BYTES PRIMARY KEY,
  family     BIGINT NOT NULL,
  generation BIGINT NOT NULL,
  kind       BIGINT NOT NULL,
  expires    BIGINT NOT NULL
) CLUSTERED;

CREATE INDEX alias_family ON alias (family);

CREATE TABLE mark (
  key     BYTES PRIMARY KEY,
  expires BIGINT NOT NULL
) CLUSTERED;

CREATE INDEX mark_expires ON mark (expires);

CREATE TABLE signing_key (
  id      TEXT PRIMARY KEY,
  org     TEXT NOT NULL,
  purpose TEXT NOT NULL,
  alg     TEXT NOT NULL,
  kid     TEXT NOT NULL,
  state   TEXT NOT NULL,
  created BIGINT NOT NULL,
  signs   BIGINT NOT NULL,
  retires BIGINT NOT NULL,
  ends    BIGINT NOT NULL,
  public  TEXT NOT NULL,
  sealed  BYTES,
  version BIGINT NOT NULL
);

-- keys of a symmetric algorithm have no kid
CREATE UNIQUE INDEX signing_key_kid ON signing_key (org, purpose, alg, kid) WHERE kid <> '';

-- the id begins with the millisecond: key order is time order
CREATE TABLE event (
  id        BIGKEY,
  at        BIGINT NOT NULL,
  org       TEXT NOT NULL,
  event     TEXT NOT NULL,
  outcome   TEXT NOT NULL,
  code      TEXT NOT NULL,
  dialect   TEXT NOT NULL,
  client    TEXT NOT NULL,
  user_name TEXT NOT NULL,
  addr      TEXT NOT NULL,
  body      TEXT NOT NULL
);

CREATE TABLE throttle (
  key      TEXT PRIMARY KEY,
  failures BIGINT NOT NULL,
  until    BIGINT NOT NULL,
  updated  BIGINT NOT NULL
) CLUSTERED;

CREATE TABLE doc (
  org     TEXT NOT NULL,
  kind    TEXT NOT NULL,
  id      TEXT NOT NULL,
  ref     TEXT NOT NULL,
  number  BIGINT NOT NULL,
  body    TEXT NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  version BIGINT NOT NULL,
  PRIMARY KEY (org, kind, id)
);

CREATE INDEX doc_ref ON doc (org, kind, ref);

CREATE UNIQUE INDEX doc_number ON doc (org, kind, number);

CREATE TABLE counter (
  name  TEXT PRIMARY KEY,
  value BIGINT NOT NULL
) CLUSTERED;

INSERT INTO counter (name, value) VALUES ('revision', 1);

CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) CLUSTERED;

CREATE TABLE setup (
  hash    BYTES PRIMARY KEY,
  expires BIGINT NOT NULL
) CLUSTERED;
