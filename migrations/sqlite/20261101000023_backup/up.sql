-- Nodes whose place others have taken, after their databases were lost.
CREATE TABLE replacements (
    replaced BLOB NOT NULL,
    replaced_by BLOB NOT NULL,
    number INTEGER NOT NULL,
    hlc INTEGER NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (replaced, replaced_by)
);
