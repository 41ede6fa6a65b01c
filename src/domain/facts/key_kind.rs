//! Kinds of keys.

/// What kind of key the user table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// int2, int4, int8.
    Integer,
    /// uuid.
    Uuid,
    /// text, varchar, citext, char(n).
    Text,
    /// Anything else.
    Other,
}
