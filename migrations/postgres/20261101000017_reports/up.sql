-- What stores report: of their stock to their region, of their trade to its hub.

-- The items of stores as they were reported last.
CREATE TABLE reported_items (
    store uuid NOT NULL,
    item bigint NOT NULL,
    name text NOT NULL,
    item_type text NOT NULL,
    quantity integer NOT NULL,
    threshold integer NOT NULL,
    removed boolean NOT NULL,
    at timestamptz NOT NULL,
    clocks bytea NOT NULL,
    PRIMARY KEY (store, item)
);

-- How stores stand.
CREATE TABLE reported_totals (
    store uuid NOT NULL,
    orders bigint NOT NULL,
    sales_cents bigint NOT NULL,
    refunds_cents bigint NOT NULL,
    customers bigint NOT NULL,
    pending_orders bigint NOT NULL,
    complaints bigint NOT NULL,
    open_complaints bigint NOT NULL,
    at timestamptz NOT NULL,
    clocks bytea NOT NULL,
    PRIMARY KEY (store)
);

-- Days of stores, each in the store's own time zone, counted from 1970-01-01.
CREATE TABLE reported_days (
    store uuid NOT NULL,
    day integer NOT NULL,
    orders bigint NOT NULL,
    drinks bigint NOT NULL,
    sales_cents bigint NOT NULL,
    refunds_cents bigint NOT NULL,
    sodas bigint NOT NULL,
    syrups bigint NOT NULL,
    add_ins bigint NOT NULL,
    physical bigint NOT NULL,
    at timestamptz NOT NULL,
    clocks bytea NOT NULL,
    PRIMARY KEY (store, day)
);
CREATE INDEX reported_days_day ON reported_days (day, store);
