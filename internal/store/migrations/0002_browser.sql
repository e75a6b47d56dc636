-- needs: 1

-- the browser session a grant was given in, and whether it outlives it
ALTER TABLE family ADD COLUMN sid TEXT NOT NULL DEFAULT '';

ALTER TABLE family ADD COLUMN offline BIGINT NOT NULL DEFAULT 0;

CREATE INDEX family_person ON family (user_id, client) WHERE sid <> '';

CREATE TABLE session (
  sid     TEXT PRIMARY KEY,
  hash    BYTES NOT NULL,
  org     TEXT NOT NULL,
  user_id BIGINT NOT NULL,
  created BIGINT NOT NULL,
  used    BIGINT NOT NULL,
  idle    BIGINT NOT NULL,
  ends    BIGINT NOT NULL,
  ended   BIGINT NOT NULL,
  body    TEXT NOT NULL
) CLUSTERED;

CREATE UNIQUE INDEX session_hash ON session (hash);

CREATE INDEX session_person ON session (user_id);

CREATE INDEX session_ends ON session (ends);

CREATE TABLE session_client (
  sid    TEXT NOT NULL,
  client TEXT NOT NULL,
  issuer TEXT NOT NULL,
  PRIMARY KEY (sid, client)
) CLUSTERED;

CREATE TABLE code (
  hash    BYTES PRIMARY KEY,
  sid     TEXT NOT NULL,
  expires BIGINT NOT NULL,
  used    BIGINT NOT NULL,
  family  BIGINT NOT NULL,
  body    TEXT NOT NULL
) CLUSTERED;

CREATE INDEX code_expires ON code (expires);

CREATE TABLE consent (
  org     TEXT NOT NULL,
  user_id BIGINT NOT NULL,
  client  TEXT NOT NULL,
  scope   TEXT NOT NULL,
  given   BIGINT NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  PRIMARY KEY (org, user_id, client)
) CLUSTERED;

-- state of one use that waits for somebody to come back
CREATE TABLE ticket (
  key     BYTES PRIMARY KEY,
  expires BIGINT NOT NULL,
  body    TEXT NOT NULL
) CLUSTERED;

CREATE INDEX ticket_expires ON ticket (expires);

-- messages to be sent until they arrive
CREATE TABLE delivery (
  id      BIGKEY,
  org     TEXT NOT NULL,
  kind    TEXT NOT NULL,
  client  TEXT NOT NULL,
  user_id BIGINT NOT NULL,
  state   TEXT NOT NULL,
  due     BIGINT NOT NULL,
  tries   BIGINT NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  result  TEXT NOT NULL,
  body    TEXT NOT NULL
);

CREATE INDEX delivery_due ON delivery (due) WHERE state = 'waiting';
