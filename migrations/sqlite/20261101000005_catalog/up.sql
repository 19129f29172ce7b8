-- Drinks and favourites. Lists of ingredients are JSON.

-- The chain's catalogue.
CREATE TABLE catalog_drinks (
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    syrups TEXT NOT NULL,
    sodas TEXT NOT NULL,
    add_ins TEXT NOT NULL,
    price_cents INTEGER NOT NULL,
    size TEXT NOT NULL,
    ice TEXT NOT NULL,
    withdrawn BOOLEAN NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (id)
);

-- Drinks that customers made; they stay in their region.
CREATE TABLE user_drinks (
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    syrups TEXT NOT NULL,
    sodas TEXT NOT NULL,
    add_ins TEXT NOT NULL,
    price_cents INTEGER NOT NULL,
    size TEXT NOT NULL,
    ice TEXT NOT NULL,
    owner INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    deleted BOOLEAN NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX user_drinks_owner ON user_drinks (owner);

-- Favourites, each with its drink.
CREATE TABLE favorites (
    user_id INTEGER NOT NULL,
    drink_id INTEGER NOT NULL,
    present BOOLEAN NOT NULL,
    user_created BOOLEAN NOT NULL,
    name TEXT NOT NULL,
    syrups TEXT NOT NULL,
    sodas TEXT NOT NULL,
    add_ins TEXT NOT NULL,
    price_cents INTEGER NOT NULL,
    size TEXT NOT NULL,
    ice TEXT NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (user_id, drink_id)
);
CREATE INDEX favorites_drink_id ON favorites (drink_id);
