-- Regions, supply hubs and stores.

-- Regions of the chain.
CREATE TABLE regions (
    code text NOT NULL,
    name text NOT NULL,
    center_latitude double precision NOT NULL,
    center_longitude double precision NOT NULL,
    service_radius_miles integer NOT NULL,
    created_at timestamptz NOT NULL,
    clocks bytea NOT NULL,
    PRIMARY KEY (code)
);

-- Supply hubs; the id is that of the node.
CREATE TABLE hubs (
    id uuid NOT NULL,
    region text NOT NULL,
    name text NOT NULL,
    street_address text NOT NULL,
    city text NOT NULL,
    state text NOT NULL,
    zip_code text NOT NULL,
    latitude double precision NOT NULL,
    longitude double precision NOT NULL,
    phone text NOT NULL,
    email text NOT NULL,
    api_base_url text NOT NULL,
    is_operational boolean NOT NULL,
    max_delivery_distance_miles integer NOT NULL,
    created_at timestamptz NOT NULL,
    clocks bytea NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX hubs_region ON hubs (region);

-- Stores; the id is that of the node, the hours are JSON.
CREATE TABLE stores (
    id uuid NOT NULL,
    region text NOT NULL,
    store_number text NOT NULL,
    name text NOT NULL,
    street_address text NOT NULL,
    city text NOT NULL,
    state text NOT NULL,
    zip_code text NOT NULL,
    latitude double precision NOT NULL,
    longitude double precision NOT NULL,
    phone text NOT NULL,
    email text NOT NULL,
    api_base_url text NOT NULL,
    is_operational boolean NOT NULL,
    is_accepting_orders boolean NOT NULL,
    hours text NOT NULL,
    time_zone text NOT NULL,
    created_at timestamptz NOT NULL,
    clocks bytea NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX stores_region ON stores (region, is_operational);
CREATE INDEX stores_place ON stores (latitude, longitude);
