//! Imports of whole databases, on both databases of the node.

mod old;
