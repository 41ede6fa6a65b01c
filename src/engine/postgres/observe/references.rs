//! The references in scope: which are searched, and what is seen of each.

use crate::{
    api::report::{ObjectRef, Skipped},
    domain::{
        facts::{
            KeyElsewhere, Undeclared, Untrusted,
            references::{Orphans, Reference, Spelling},
            search::Searched,
        },
        incremental::change_marks::{Rest, Reuse},
        text::clip,
    },
    engine::postgres::{
        catalog::{
            declared::Scope,
            reference::ReferenceTable,
            resolved::{Passive, ResolvedSchema},
        },
        observe::{Observer, believable, scope},
        search::{self, Looking, Unseen},
        session::{
            error::DatabaseError,
            transaction::{LOCKED, statement_timeout},
        },
    },
};

use std::sync::Arc;

/// Further looks at a reference with orphans, each as long as its search: rows, collisions, spellings, and one
/// to spare.
const LOOKS: f64 = 4.0;

/// What was seen of the references in scope.
#[derive(Default)]
pub(super) struct Seen {
    /// Those that were checked; first of all those that are relied on.
    pub checked: Vec<Reference>,
    /// How many of them are relied on.
    pub relied: usize,
    /// Those that were not.
    pub skipped: Vec<Skipped>,
    /// Those that the time did not suffice for.
    pub unreached: Vec<ObjectRef>,
    /// Foreign keys that a rule asks for and that are not there.
    pub missing: Vec<ObjectRef>,
    /// Foreign keys of columns that name users, which reference another table.
    pub elsewhere: Vec<KeyElsewhere>,
    /// Columns that look as if they named users, and are not checked.
    pub undeclared: Undeclared,
    /// Orphans that name users in another spelling.
    pub spellings: Vec<Spelling>,
    /// Those whose indexes cannot be believed; they are among `skipped`, too.
    pub untrusted: Vec<Untrusted>,
    /// How each was searched.
    pub searched: Vec<Searched>,
    /// Those whose search was begun.
    pub tried: Vec<Arc<ObjectRef>>,
}

impl Seen {
    /// Takes what earlier searches saw, where that is relied on. Returns the references that are left to search.
    fn rely(
        &mut self,
        relied: &Reuse,
        known: &mut ResolvedSchema,
        tables: Vec<ReferenceTable>,
    ) -> Vec<ReferenceTable> {
        let (again, tables): (Vec<_>, Vec<_>) =
            tables.into_iter().partition(|table| relied.on_search_of(&table.object).is_some());
        for table in again {
            match relied.on_search_of(&table.object).flatten() {
                Some(orphans) => {
                    self.checked.push(orphans.reference.clone());
                    self.spellings.extend(orphans.spelling.clone());
                }
                None => self.checked.push(table.sound()),
            }
            known.references.push(table);
        }
        self.relied = self.checked.len();
        tables
    }

    /// Takes what was seen of one reference, or why nothing was.
    fn take(
        &mut self,
        known: &mut ResolvedSchema,
        table: ReferenceTable,
        seen: Result<(Reference, Option<Spelling>), Unseen>,
    ) {
        match seen {
            Ok((reference, spelling)) => {
                self.checked.push(reference);
                self.spellings.extend(spelling);
                known.references.push(table);
            }
            Err(Unseen::Unreadable(why)) => {
                let transient = why == LOCKED;
                let why = table.child.with_way_out(why);
                let object = ObjectRef::clone(&table.object);
                self.skipped.push(Skipped { object, why, asked: false, transient });
                known.passive.push(Passive { table, seen: false });
            }
            // No row of it is claimed anything about, but its name is known: who moves an id, moves there.
            Err(Unseen::Unreached) => {
                self.unreached.push(ObjectRef::clone(&table.object));
                known.references.push(table);
            }
        }
    }
}

impl Observer<'_> {
    /// Looks at every reference in scope. Orphans may be given to the account of the id `heir`.
    pub(super) async fn references(
        &mut self,
        known: &mut ResolvedSchema,
        heir: Option<&str>,
    ) -> Result<Seen, DatabaseError> {
        let relied = self.given.relied;
        let Scope { tables, skipped, missing, elsewhere, undeclared, passive, unread } =
            match relied.rest.clone() {
                Some(Rest { skipped, missing, elsewhere, undeclared }) => {
                    Scope { skipped, missing, elsewhere, undeclared, ..Scope::default() }
                }
                None => scope::resolve(self.connection, self.target, known, relied).await?,
            };
        known.passive.extend(passive.into_iter().map(|table| Passive { table, seen: true }));
        known.passive.extend(unread.into_iter().map(|table| Passive { table, seen: false }));
        let checked = relied.references.clone();
        let mut seen = Seen { checked, skipped, missing, elsewhere, undeclared, ..Seen::default() };
        let (tables, untrusted) =
            believable::references(self.connection, tables, self.server_version).await?;
        for (table, untrusted) in untrusted {
            known.passive.push(Passive { table, seen: false });
            seen.skipped.push(Skipped {
                object: untrusted.object.clone(),
                why: clip(&untrusted.why, 512),
                asked: false,
                transient: false,
            });
            seen.untrusted.push(untrusted);
        }
        let tables = seen.rely(relied, known, tables);
        self.search(known, tables, heir, &mut seen).await?;
        Ok(seen)
    }

    /// Searches references for orphans, and looks at those that have some.
    async fn search(
        &mut self,
        known: &mut ResolvedSchema,
        tables: Vec<ReferenceTable>,
        heir: Option<&str>,
        seen: &mut Seen,
    ) -> Result<(), DatabaseError> {
        let given = self.given;
        let looking = Looking {
            search: self.search,
            budget: given.budget,
            turn: &|object| given.relied.turn(object),
            progress: given.progress,
            done: seen.relied,
        };
        let found = search::find(self.connection, &tables, &looking).await?;
        seen.checked.reserve_exact(tables.len());
        known.references.reserve_exact(tables.len());
        seen.searched.reserve_exact(found.len());
        seen.tried.reserve_exact(tables.len());
        for (table, found) in tables.into_iter().zip(found) {
            if found.tried {
                seen.tried.push(Arc::clone(&table.object));
            }
            if !matches!(found.orphans, Err(Unseen::Unreached)) {
                seen.searched.push(found.searched);
            }
            let one = match found.orphans {
                Ok(orphans) if orphans.rows == 0 => Ok((table.sound(), None)),
                Ok(orphans) => self.look_at(known, &table, heir, orphans, found.estimate).await?,
                Err(unseen) => Err(unseen),
            };
            seen.take(known, table, one);
        }
        Ok(())
    }

    /// What there is to see of a reference with orphans. `estimate` is how long its search should take, in
    /// microseconds.
    async fn look_at(
        &mut self,
        known: &ResolvedSchema,
        table: &ReferenceTable,
        heir: Option<&str>,
        orphans: Orphans,
        estimate: f64,
    ) -> Result<Result<(Reference, Option<Spelling>), Unseen>, DatabaseError> {
        let longer = self.given.budget.make_room(estimate * LOOKS);
        if let Some(longer) = longer {
            statement_timeout(self.connection, longer).await?;
        }
        let repair = self.target.references.policy(&table.object).on_orphan;
        let heir = heir.map(|id| (id, &known.id));
        let seen = table.look_at(self.connection, orphans, repair, heir, self.server_version).await;
        if longer.is_some() {
            statement_timeout(self.connection, self.target.timeout).await?;
        }
        match seen {
            Ok(seen) => Ok(seen.map_err(Unseen::Unreadable)),
            Err(error) if error.is_timeout() => Ok(Err(Unseen::Unreached)),
            Err(error) => Err(error),
        }
    }
}
