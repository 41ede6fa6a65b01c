//! What a server sends, and names out of its catalog.

mod postgres;
