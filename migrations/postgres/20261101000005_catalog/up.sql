-- Drinks and favourites. Lists of ingredients are JSON.

-- The chain's catalogue.
CREATE TABLE catalog_drinks (
    id bigint NOT NULL,
    name text NOT NULL,
    syrups text NOT NULL,
    sodas text NOT NULL,
    add_ins text NOT NULL,
    price_cents bigint NOT NULL,
    size text NOT NULL,
    ice text NOT NULL,
    withdrawn boolean NOT NULL,
    clocks bytea NOT NULL,
    PRIMARY KEY (id)
);

-- Drinks that customers made; they stay in their region.
CREATE TABLE user_drinks (
    id bigint NOT NULL,
    name text NOT NULL,
    syrups text NOT NULL,
    sodas text NOT NULL,
    add_ins text NOT NULL,
    price_cents bigint NOT NULL,
    size text NOT NULL,
    ice text NOT NULL,
    owner bigint NOT NULL,
    created_at timestamptz NOT NULL,
    deleted boolean NOT NULL,
    clocks bytea NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX user_drinks_owner ON user_drinks (owner);

-- Favourites, each with its drink.
CREATE TABLE favorites (
    user_id bigint NOT NULL,
    drink_id bigint NOT NULL,
    present boolean NOT NULL,
    user_created boolean NOT NULL,
    name text NOT NULL,
    syrups text NOT NULL,
    sodas text NOT NULL,
    add_ins text NOT NULL,
    price_cents bigint NOT NULL,
    size text NOT NULL,
    ice text NOT NULL,
    clocks bytea NOT NULL,
    PRIMARY KEY (user_id, drink_id)
);
CREATE INDEX favorites_drink_id ON favorites (drink_id);
