//! The keys that a step may touch.

use crate::{
    domain::facts::key_kind::KeyKind,
    engine::postgres::{
        catalog::reference::ReferenceTable,
        ledger::fence::Fence,
        sql::{Sql, sql, with},
    },
};

impl ReferenceTable {
    /// Adds the condition that the key of the row `c` is on the list of a step.
    pub(in crate::engine::postgres) fn listed(&self, sql: &mut Sql, fence: &Fence, step: i64) {
        sql!(
            sql,
            "EXISTS (SELECT FROM auth_consistency.step_keys l WHERE l.run = {run} AND l.step = {step} AND l.key = {key})",
            run = fence.run,
            step = step,
            key = with(|sql| self.on_list(sql, |sql| self.key_text(sql))),
        );
    }
}

impl ReferenceTable {
    /// Adds a key as it stands on the list of a step. The list has an index, which takes no long values: of
    /// those it has the digest, and so of any that looks like one.
    pub(in crate::engine::postgres) fn on_list(&self, sql: &mut Sql, key: impl Fn(&mut Sql)) {
        if self.columns.iter().all(|column| matches!(column.kind(), KeyKind::Integer | KeyKind::Uuid)) {
            return key(sql);
        }
        sql.add("CASE WHEN pg_catalog.octet_length(");
        key(sql);
        sql.add(") OPERATOR(pg_catalog.>) 1000 OR pg_catalog.starts_with(");
        key(sql);
        sql.add(", 'sha256:') THEN pg_catalog.concat('sha256:', pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(");
        key(sql);
        sql.add(", 'UTF8')), 'hex')) ELSE ");
        key(sql);
        sql.add(" END");
    }
}
