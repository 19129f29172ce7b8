-- Who did what: entries are added, and go when their time is over. Nothing else can be done to them, whoever asks.

-- `id` is a public number without gaps. `caller` is the certificate that called, `client` the address behind it: it alone is
-- personal, and is blanked when its user is deleted. `place` is where the right was used, `target` what was touched
-- (`user:100001`), `outcome` is `done` or the code of a refusal, `repeated` how many refusals like it were not written.
CREATE TABLE audit_entries (
    id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    user_id INTEGER,
    caller_kind TEXT NOT NULL,
    caller BLOB NOT NULL,
    client TEXT,
    action TEXT NOT NULL,
    permission TEXT NOT NULL,
    place TEXT NOT NULL,
    target TEXT,
    detail TEXT,
    outcome TEXT NOT NULL,
    repeated INTEGER NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX audit_entries_at ON audit_entries (at);
CREATE INDEX audit_entries_user ON audit_entries (user_id, id);
CREATE INDEX audit_entries_target ON audit_entries (target, id);
CREATE INDEX audit_entries_place ON audit_entries (place, id);

-- An insertion that replaces a row would run no trigger of deletions.
CREATE TRIGGER audit_entries_once BEFORE INSERT ON audit_entries
WHEN EXISTS (SELECT 1 FROM audit_entries WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'audit entries are never replaced');
END;

CREATE TRIGGER audit_entries_stay BEFORE UPDATE ON audit_entries
WHEN NOT (
    NEW.client IS NULL AND NEW.id IS OLD.id AND NEW.at IS OLD.at AND NEW.user_id IS OLD.user_id
    AND NEW.caller_kind IS OLD.caller_kind AND NEW.caller IS OLD.caller AND NEW.action IS OLD.action
    AND NEW.permission IS OLD.permission AND NEW.place IS OLD.place AND NEW.target IS OLD.target
    AND NEW.detail IS OLD.detail AND NEW.outcome IS OLD.outcome AND NEW.repeated IS OLD.repeated
)
BEGIN
    SELECT RAISE(ABORT, 'audit entries are never changed');
END;

-- The retention: 731 days, 90 of refusals.
CREATE TRIGGER audit_entries_last BEFORE DELETE ON audit_entries
WHEN OLD.at > (CAST(strftime('%s', 'now') AS INTEGER) - 86400 * CASE OLD.outcome WHEN 'done' THEN 731 ELSE 90 END) * 1000000
BEGIN
    SELECT RAISE(ABORT, 'audit entries are kept until their time is over');
END;
