-- What stores report: of their stock to their region, of their trade to its hub.

-- The items of stores as they were reported last.
CREATE TABLE reported_items (
    store BLOB NOT NULL,
    item INTEGER NOT NULL,
    name TEXT NOT NULL,
    item_type TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    threshold INTEGER NOT NULL,
    removed BOOLEAN NOT NULL,
    at INTEGER NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (store, item)
);

-- How stores stand.
CREATE TABLE reported_totals (
    store BLOB NOT NULL,
    orders INTEGER NOT NULL,
    sales_cents INTEGER NOT NULL,
    refunds_cents INTEGER NOT NULL,
    customers INTEGER NOT NULL,
    pending_orders INTEGER NOT NULL,
    complaints INTEGER NOT NULL,
    open_complaints INTEGER NOT NULL,
    at INTEGER NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (store)
);

-- Days of stores, each in the store's own time zone, counted from 1970-01-01.
CREATE TABLE reported_days (
    store BLOB NOT NULL,
    day INTEGER NOT NULL,
    orders INTEGER NOT NULL,
    drinks INTEGER NOT NULL,
    sales_cents INTEGER NOT NULL,
    refunds_cents INTEGER NOT NULL,
    sodas INTEGER NOT NULL,
    syrups INTEGER NOT NULL,
    add_ins INTEGER NOT NULL,
    physical INTEGER NOT NULL,
    at INTEGER NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (store, day)
);
CREATE INDEX reported_days_day ON reported_days (day, store);
