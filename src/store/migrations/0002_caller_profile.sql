-- What is remembered of callers. No number is in it: the key is a keyed hash, and the secret is in the configuration.
CREATE TABLE caller_profile (
    key      BLOB PRIMARY KEY NOT NULL,         -- HMAC-SHA256 of the number without punctuation and own country code
    seen_day INTEGER NOT NULL,                  -- of the last change: days since 1970-01-01, UTC
    opt_outs TEXT NOT NULL,                     -- JSON list of journal::profile::OptOut; outlives the rest
    profile  TEXT NOT NULL                      -- JSON of journal::profile::Profile, without opt-outs
) STRICT, WITHOUT ROWID;

CREATE INDEX caller_profile_by_day ON caller_profile (seen_day);
