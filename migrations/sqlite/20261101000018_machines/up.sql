-- Machines and their states. The state is known in the store's region, its history at the store alone.

-- Machines.
CREATE TABLE machines (
    store BLOB NOT NULL,
    id INTEGER NOT NULL,
    serial_number TEXT NOT NULL,
    state TEXT NOT NULL,
    since INTEGER NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (store, id)
);

-- What happened to this store's machines.
CREATE TABLE machine_log (
    id INTEGER NOT NULL,
    machine_id INTEGER NOT NULL,
    old_state TEXT NOT NULL,
    new_state TEXT NOT NULL,
    user_id INTEGER,
    note TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX machine_log_machine ON machine_log (machine_id, id);
