//! What an app may take ids from whose id column has no default: sequences that no column draws from, and tables in
//! which frameworks count. Nothing ties them to the user table; names and numbers are all that there is to see.

use crate::{
    api::report::ObjectRef,
    domain::facts::{
        Untold,
        key_kind::KeyKind,
        new_ids::{Counts, IdSource, Stands},
    },
    engine::postgres::{
        catalog::{self, resolved::ResolvedSchema, sequence::Sequence},
        session::error::DatabaseError,
        sql::Sql,
    },
};

use sqlx::{PgConnection, Row};

/// Tables in which Hibernate, EclipseLink and OpenJPA count ids.
const COUNTING: [&str; 4] =
    ["hibernate_sequences", "hibernate_unique_key", "sequence", "openjpa_sequence_table"];

/// All of them that a new row's id may come from.
///
/// # Errors
/// The database fails.
pub(super) async fn observe(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
) -> Result<Vec<IdSource>, DatabaseError> {
    let alone = matches!(known.untold, None | Some(Untold::Triggers(_)));
    if known.sequence.is_some() || known.id.has_default || known.id.kind() != KeyKind::Integer || !alone {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for sequence in catalog::untied(connection).await? {
        let (schema, table) = (sequence.relation.schema.as_str(), sequence.relation.name.as_str());
        let stands = if sequence.readable {
            let next = catalog::next_value(connection, &sequence).await?;
            Some(Stands { next, step: sequence.increment, held: held(&sequence) })
        } else {
            None
        };
        found.push(IdSource {
            object: ObjectRef { schema: schema.to_owned(), table: table.to_owned(), ..ObjectRef::default() },
            counts: Counts::Sequence(stands),
        });
    }
    let mut sql = Sql::new(
        "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND EXISTS (SELECT FROM pg_attribute a \
           WHERE a.attrelid = c.oid AND a.attname::text IN ('next_val', 'sequence_next_hi_value', 'next_hi', 'seq_count', 'sequence_value')) \
         AND c.relname::text = ANY (",
    );
    sql.texts(COUNTING.iter().map(|name| Some((*name).to_owned())).collect()).add(") ORDER BY 1, 2 LIMIT 5");
    for row in sql.all(connection).await? {
        let object = ObjectRef { schema: row.try_get(0)?, table: row.try_get(1)?, ..ObjectRef::default() };
        found.push(IdSource { object, counts: Counts::Table });
    }
    Ok(found)
}

/// How many numbers sessions may have in hand.
fn held(sequence: &Sequence) -> i64 {
    match sequence.increment.saturating_mul(sequence.cache.max(1)) {
        1 => 0,
        many => many.saturating_mul(2),
    }
}
