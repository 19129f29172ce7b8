-- Regions, supply hubs and stores.

-- Regions of the chain.
CREATE TABLE regions (
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    center_latitude DOUBLE NOT NULL,
    center_longitude DOUBLE NOT NULL,
    service_radius_miles INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (code)
);

-- Supply hubs; the id is that of the node.
CREATE TABLE hubs (
    id BLOB NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    street_address TEXT NOT NULL,
    city TEXT NOT NULL,
    state TEXT NOT NULL,
    zip_code TEXT NOT NULL,
    latitude DOUBLE NOT NULL,
    longitude DOUBLE NOT NULL,
    phone TEXT NOT NULL,
    email TEXT NOT NULL,
    api_base_url TEXT NOT NULL,
    is_operational BOOLEAN NOT NULL,
    max_delivery_distance_miles INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX hubs_region ON hubs (region);

-- Stores; the id is that of the node, the hours are JSON.
CREATE TABLE stores (
    id BLOB NOT NULL,
    region TEXT NOT NULL,
    store_number TEXT NOT NULL,
    name TEXT NOT NULL,
    street_address TEXT NOT NULL,
    city TEXT NOT NULL,
    state TEXT NOT NULL,
    zip_code TEXT NOT NULL,
    latitude DOUBLE NOT NULL,
    longitude DOUBLE NOT NULL,
    phone TEXT NOT NULL,
    email TEXT NOT NULL,
    api_base_url TEXT NOT NULL,
    is_operational BOOLEAN NOT NULL,
    is_accepting_orders BOOLEAN NOT NULL,
    hours TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX stores_region ON stores (region, is_operational);
CREATE INDEX stores_place ON stores (latitude, longitude);
