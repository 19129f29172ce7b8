-- Nodes whose place others have taken, after their databases were lost.
CREATE TABLE replacements (
    replaced uuid NOT NULL,
    replaced_by uuid NOT NULL,
    number integer NOT NULL,
    hlc bigint NOT NULL,
    clocks bytea NOT NULL,
    PRIMARY KEY (replaced, replaced_by)
);
