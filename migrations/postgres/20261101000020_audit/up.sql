-- Who did what: entries are added, and go when their time is over. Nothing else can be done to them, whoever asks.

-- `id` is a public number without gaps. `caller` is the certificate that called, `client` the address behind it: it alone is
-- personal, and is blanked when its user is deleted. `place` is where the right was used, `target` what was touched
-- (`user:100001`), `outcome` is `done` or the code of a refusal, `repeated` how many refusals like it were not written.
CREATE TABLE audit_entries (
    id bigint NOT NULL,
    at timestamptz NOT NULL,
    user_id bigint,
    caller_kind text NOT NULL,
    caller uuid NOT NULL,
    client text,
    action text NOT NULL,
    permission text NOT NULL,
    place text NOT NULL,
    target text,
    detail text,
    outcome text NOT NULL,
    repeated integer NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX audit_entries_at ON audit_entries (at);
CREATE INDEX audit_entries_user ON audit_entries (user_id, id);
CREATE INDEX audit_entries_target ON audit_entries (target, id);
CREATE INDEX audit_entries_place ON audit_entries (place, id);

CREATE FUNCTION audit_entries_stay() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    blanked audit_entries;
BEGIN
    blanked := OLD;
    blanked.client := NULL;
    IF NEW IS DISTINCT FROM blanked THEN
        RAISE EXCEPTION 'audit entries are never changed';
    END IF;
    RETURN NEW;
END;
$$;
CREATE TRIGGER audit_entries_stay BEFORE UPDATE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION audit_entries_stay();

-- The retention: 731 days, 90 of refusals.
CREATE FUNCTION audit_entries_last() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.at > now() - make_interval(days => CASE OLD.outcome WHEN 'done' THEN 731 ELSE 90 END) THEN
        RAISE EXCEPTION 'audit entries are kept until their time is over';
    END IF;
    RETURN OLD;
END;
$$;
CREATE TRIGGER audit_entries_last BEFORE DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION audit_entries_last();

CREATE FUNCTION audit_entries_all() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit entries are never dropped all at once';
END;
$$;
CREATE TRIGGER audit_entries_all BEFORE TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_all();
