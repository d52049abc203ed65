-- One row a call, for lists and searches; everything in it is also in the entries.
CREATE TABLE calls (
    id          TEXT PRIMARY KEY NOT NULL,      -- ULID: sorts by start
    started_ms  INTEGER NOT NULL,               -- Unix time of the INVITE, ms
    caller      TEXT NOT NULL,
    dialled     TEXT NOT NULL,
    dialplan    TEXT NOT NULL,
    sip_call_id TEXT NOT NULL,
    answered_ms INTEGER,                        -- since the INVITE
    bridged_ms  INTEGER,
    ended_ms    INTEGER,
    end_cause   TEXT,                           -- JSON of journal::EndCause
    recording   TEXT                            -- path below the recordings folder
) STRICT;

-- The journal: the one truth of a call.
CREATE TABLE entries (
    call   TEXT NOT NULL,
    number INTEGER NOT NULL,                    -- order within the call, from 1
    at_ms  INTEGER NOT NULL,                    -- since the INVITE
    fact   TEXT NOT NULL,                       -- tag of journal::Entry
    body   TEXT NOT NULL,                       -- JSON of journal::Entry
    PRIMARY KEY (call, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX entries_by_fact ON entries (fact, call);
CREATE INDEX calls_unfinished ON calls (id) WHERE ended_ms IS NULL;
