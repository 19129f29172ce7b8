-- Whose a guest's drink is, and what users think of drinks.

-- The guest's session; NULL for a user's drink, and where nobody knows the owner.
ALTER TABLE user_drinks ADD COLUMN guest BLOB;

-- For those that have been there for long.
CREATE INDEX user_drinks_age ON user_drinks (deleted, created_at);

-- One rating for each user and drink.
CREATE TABLE drink_ratings (
    user_id INTEGER NOT NULL,
    drink_id INTEGER NOT NULL,
    stars INTEGER NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (user_id, drink_id)
);
CREATE INDEX drink_ratings_drink_id ON drink_ratings (drink_id);
