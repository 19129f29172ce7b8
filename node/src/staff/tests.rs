//! Invitations on both databases.
