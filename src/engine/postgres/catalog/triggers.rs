//! Triggers behind foreign keys, and which of them do not fire.

use std::collections::BTreeMap;

use sqlx::{PgConnection, Row};

use crate::{
    domain::diagnose::enforcement::{Side, SilentTriggers},
    engine::postgres::sql::Sql,
};

/// Triggers that do not fire in an ordinary session, by the object id of the foreign key to a table; those of
/// partitions belong to the key that they were made for.
pub(super) async fn silent(
    connection: &mut PgConnection,
    parent: i64,
) -> Result<BTreeMap<i64, Vec<SilentTriggers>>, sqlx::Error> {
    // PostgreSQL 15 manual, pg_trigger: O and A fire, D does not, and R only where session_replication_role
    // is replica. src/include/catalog/pg_trigger.h: the bits of tgtype.
    let mut sql = Sql::new(
        "WITH RECURSIVE tree(top, oid) AS ( \
           SELECT con.oid, con.oid FROM pg_constraint con \
           WHERE con.contype = 'f' AND con.conparentid = 0 AND con.confrelid = ",
    );
    sql.integer(parent).add(
        "::oid UNION ALL SELECT tree.top, part.oid FROM tree JOIN pg_constraint part ON part.conparentid = tree.oid) \
         SELECT tree.top::int8, n.nspname::text, c.relname::text, p.proname LIKE 'RI\\_FKey\\_check\\_%', \
           t.tgenabled = 'R', t.tgtype & 4 <> 0, t.tgtype & 16 <> 0, t.tgtype & 8 <> 0, t.tgname::text \
         FROM tree JOIN pg_trigger t ON t.tgconstraint = tree.oid JOIN pg_proc p ON p.oid = t.tgfoid \
         JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE t.tgenabled NOT IN ('O', 'A') ORDER BY 1, 4 DESC, 2, 3, 5, t.tgtype",
    );
    let mut found: BTreeMap<i64, Vec<SilentTriggers>> = BTreeMap::new();
    for row in sql.all(connection).await? {
        let of_key = found.entry(row.try_get(0)?).or_default();
        let one = SilentTriggers {
            schema: row.try_get(1)?,
            table: row.try_get(2)?,
            side: if row.try_get(3)? { Side::Referencing } else { Side::Referenced },
            replica_only: row.try_get(4)?,
            inserts: row.try_get(5)?,
            updates: row.try_get(6)?,
            deletes: row.try_get(7)?,
            names: vec![row.try_get(8)?],
        };
        match of_key.last_mut() {
            Some(last)
                if (&last.schema, &last.table, last.side, last.replica_only)
                    == (&one.schema, &one.table, one.side, one.replica_only) =>
            {
                last.inserts |= one.inserts;
                last.updates |= one.updates;
                last.deletes |= one.deletes;
                last.names.extend(one.names);
            }
            _ => of_key.push(one),
        }
    }
    Ok(found)
}
