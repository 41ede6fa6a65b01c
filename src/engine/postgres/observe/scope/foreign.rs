//! References whose rows are not read, since that could run somebody's code: told, and never looked at.

use crate::{
    api::report::{ObjectRef, Skipped},
    domain::text::clip,
    engine::postgres::catalog::declared::Scope,
};

/// Moves them from those to look at to those that are not.
pub(super) fn set_aside(scope: &mut Scope) {
    for table in std::mem::take(&mut scope.tables) {
        match table.refused() {
            None => scope.tables.push(table),
            Some(why) => {
                let why = clip(&format!("{why}, or ignore the reference by a rule"), 512);
                let object = ObjectRef::clone(&table.object);
                scope.skipped.push(Skipped { object, why, asked: false, transient: false });
                scope.unread.push(table);
            }
        }
    }
}
