//! Keys of rows as text that can be compared.

use crate::engine::postgres::{catalog::Column, sql::Sql};

/// Adds `FROM ONLY source c JOIN (the keys) ON key = key`, or the condition for UPDATE and DELETE.
pub fn keyed(sql: &mut Sql, columns: &[Column], keys: &[Vec<String>]) {
    sql.add("ROWS FROM (");
    for at in 0..columns.len() {
        sql.add(if at > 0 { ", " } else { "" }).add("pg_catalog.unnest(");
        sql.texts(keys.iter().map(|key| key.get(at).cloned()).collect()).add(")");
    }
    sql.add(") AS k(");
    for at in 0..columns.len() {
        sql.add(if at > 0 { ", " } else { "" }).add("k").ordinal(at);
    }
    sql.add(")");
}

/// Adds the condition that the row `alias` is the one of the keys `k`.
pub fn is_keyed(sql: &mut Sql, alias: &'static str, columns: &[Column]) {
    for (at, column) in columns.iter().enumerate() {
        sql.add(if at > 0 { " AND " } else { "" });
        match &column.equality {
            Some(operator) => {
                let key = |sql: &mut Sql| {
                    sql.add("CAST(k.k").ordinal(at).add(" AS ").type_name(&column.type_name).add(")");
                };
                sql.compared(
                    operator,
                    |sql| {
                        sql.column(alias, &column.name);
                    },
                    key,
                );
            }
            None => {
                sql.column(alias, &column.name)
                    .add("::pg_catalog.text OPERATOR(pg_catalog.=) k.k")
                    .ordinal(at);
            }
        }
    }
}
