//! Which id is whose today, as far as statements need it.

use std::sync::Arc;

use crate::{
    api::report::ObjectRef,
    domain::identities::{list::Identities, mapping::Pair},
    engine::postgres::{catalog::Column, sql::Relation},
};

/// The mapping of old ids to today's, and where it is from.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Every old id that does not name the same person any more.
    pub pairs: Vec<Pair>,
    /// Digest of the list; of a table, what it held when it was read.
    pub list: String,
    /// Where the list stands.
    pub source: Source,
    /// References with rows that can be given back.
    pub references: Vec<Mapped>,
}

/// Where a pass has the previous people.
#[derive(Debug, Clone)]
pub enum Source {
    /// In memory, as they were read.
    List(Arc<Identities>),
    /// In a table of the same database, which is read again before rows are moved.
    Table(Box<SourceTable>),
}

/// A table that holds the users as they were.
#[derive(Debug, Clone)]
pub struct SourceTable {
    /// Its object id.
    pub(in crate::engine::postgres) oid: i64,
    pub(in crate::engine::postgres) relation: Relation,
    pub(in crate::engine::postgres) id: Column,
    pub(in crate::engine::postgres) login: Column,
}

/// The part of the mapping that rows of one reference need.
#[derive(Debug, Clone)]
pub struct Mapped {
    /// The reference.
    pub object: ObjectRef,
    /// Column and value up to which rows are old; `None`: it cannot be told, and no row that names
    /// somebody is moved.
    pub mark: Option<(Column, i64)>,
    /// Pairs that rows name, each with a new id.
    pub used: Vec<Pair>,
    /// What an approval is bound to.
    pub digest: String,
}
