//! Foreign keys as statements make them.

use crate::{
    api::report::ObjectRef,
    domain::facts::foreign_key::ForeignKeyOptions,
    engine::postgres::{
        catalog::{reference::ReferenceTable, resolved::ResolvedSchema},
        sql::{Name, Sql},
    },
};

/// The reference with these columns.
pub(in crate::engine::postgres) fn table<'k>(
    known: &'k ResolvedSchema,
    object: &ObjectRef,
) -> Option<&'k ReferenceTable> {
    known.references.iter().find(|table| {
        table.object.schema == object.schema
            && table.object.table == object.table
            && table.object.columns == object.columns
    })
}

/// The statement that a person runs instead of us. `parts` says whether NOT VALID is for partitioned tables, too.
pub(in crate::engine::postgres) fn by_hand(
    table: &ReferenceTable,
    name: &str,
    adding: Option<&ForeignKeyOptions>,
    parts: bool,
) -> Sql {
    let name = Name::from_catalog(name.to_owned());
    match adding {
        None => {
            let mut sql = Sql::new("ALTER TABLE ");
            sql.relation(&table.child.relation).add(" VALIDATE CONSTRAINT ").name(&name);
            sql
        }
        Some(options) => add_statement(table, &name, options, parts || !table.child.relation.partitioned),
    }
}

pub(in crate::engine::postgres) fn add_statement(
    table: &ReferenceTable,
    name: &Name,
    options: &ForeignKeyOptions,
    not_valid: bool,
) -> Sql {
    let list = |sql: &mut Sql, names: &mut dyn Iterator<Item = &Name>| {
        for (at, name) in names.enumerate() {
            sql.add(if at > 0 { ", " } else { "" }).name(name);
        }
    };
    let mut sql = Sql::new("ALTER TABLE ");
    sql.relation(&table.child.relation).add(" ADD CONSTRAINT ").name(name).add(" FOREIGN KEY (");
    list(&mut sql, &mut table.columns.iter().map(|column| &column.name));
    sql.add(") REFERENCES ").relation(&table.parent.relation).add(" (");
    list(&mut sql, &mut table.parent_columns.iter().map(|column| &column.name));
    sql.add(")");
    for clause in options.clauses() {
        sql.add(clause);
    }
    if not_valid {
        sql.add(" NOT VALID");
    }
    sql
}
