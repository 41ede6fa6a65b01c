//! What is seen of one reference.

use sqlx::PgConnection;

use crate::{
    api::spec::OnOrphan,
    domain::facts::{
        UnfitColumn, credentials,
        references::{InTheWay, Orphans, Reference, Spelling},
    },
    engine::postgres::{
        catalog::{Column, reference::ReferenceTable},
        observe::{conversion, fit, in_the_way, spelling},
        rowset::{dependents, unique_keys},
        session::{
            error::DatabaseError,
            transaction::{LOCKED, savepoint},
        },
        sql::Sql,
    },
};

impl ReferenceTable {
    /// What there is to know of orphans, whatever becomes of them.
    pub(in crate::engine::postgres) async fn observe(
        &self,
        connection: &mut PgConnection,
        orphans: Orphans,
    ) -> Result<Reference, sqlx::Error> {
        let mut reference = Reference { orphans, ..self.sound() };
        let mut sql = Sql::new("SELECT count(*) FROM ");
        sql.only(&self.child.relation);
        reference.table_rows = sql.scalar(connection).await?;
        let columns: Vec<&str> = self.child.columns.iter().map(|column| column.name.as_str()).collect();
        reference.credentials = credentials::recognise(self.child.relation.name.as_str(), &columns);
        Ok(reference)
    }

    /// Everything that the domain wants to know of a reference with orphans: rows, spellings, and what the repair
    /// that was asked for would come to. The inner error says why it could not be looked at.
    ///
    /// # Errors
    /// The database fails as a whole.
    pub(in crate::engine::postgres) async fn look_at(
        &self,
        connection: &mut PgConnection,
        orphans: Orphans,
        repair: OnOrphan,
        heir: Option<(&str, &Column)>,
        server_version: i64,
    ) -> Result<Result<(Reference, Option<Spelling>), String>, DatabaseError> {
        let seen = savepoint(connection, async |connection: &mut PgConnection| {
            Ok((self.observe(connection, orphans).await?, spelling::observe(connection, self).await?))
        });
        let (mut reference, spelling) = match seen.await? {
            Ok(seen) => seen,
            Err(why) => return Ok(Err(why)),
        };
        reference.unconvertible = conversion::observe(connection, self).await?;
        let foreseen = self.foresee(connection, heir, server_version, repair, &mut reference).await?;
        Ok(foreseen.map(|()| (reference, spelling)))
    }

    /// What the repair that was asked for would come to. Should it not be told, the orphans are counted all the
    /// same, and are not repaired; where somebody has the table locked, the inner error says so.
    ///
    /// # Errors
    /// The database fails as a whole.
    async fn foresee(
        &self,
        connection: &mut PgConnection,
        heir: Option<(&str, &Column)>,
        server_version: i64,
        repair: OnOrphan,
        reference: &mut Reference,
    ) -> Result<Result<(), String>, DatabaseError> {
        if repair == OnOrphan::Report {
            return Ok(Ok(()));
        }
        let orphans = reference.orphans.rows;
        // As text nothing is repaired.
        let given =
            repair == OnOrphan::Reassign && reference.unsupported.is_none() && self.operators.is_some();
        let foreseen = savepoint(connection, async |connection: &mut PgConnection| {
            let mut foreseen = Foreseen {
                depending: dependents::observe(connection, self).await?,
                in_the_way: None,
                unfit: None,
                collisions: Vec::new(),
                surplus: Some(0),
            };
            let heir = heir.filter(|_| given);
            if let Some(heir) = heir
                && let Some(values) = fit::values(connection, self, heir).await?
            {
                foreseen.unfit = fit::unfit(connection, self, &values).await?;
                if foreseen.unfit.is_none() {
                    foreseen.in_the_way = in_the_way::of_given(connection, self, &values).await?;
                }
            }
            if repair == OnOrphan::SetNull && reference.unsupported.is_none() {
                foreseen.in_the_way = in_the_way::of_null(connection, self, server_version).await?;
            }
            // What cannot be written there collides with nothing.
            if given && foreseen.unfit.is_none() && foreseen.depending.unseen.is_none() {
                let keys = unique_keys::unique_keys(connection, self, server_version).await?;
                foreseen.depending.unseen =
                    foreseen.depending.unseen.or_else(|| unique_keys::unseen(self, &keys));
                foreseen.collisions = unique_keys::collisions(connection, self, &keys, heir, orphans).await?;
                foreseen.surplus = match unique_keys::UniqueKeys::of(self, keys) {
                    _ if foreseen.collisions.is_empty() => Some(0),
                    Some(room) => Some(room.surplus(connection, self, heir).await?),
                    None => None,
                };
            }
            Ok(foreseen)
        });
        match foreseen.await? {
            Ok(foreseen) => {
                reference.unsupported = reference.unsupported.take().or(foreseen.depending.unseen);
                reference.dependents = foreseen.depending.forbidding;
                reference.takes = foreseen.depending.takes;
                reference.cascades = foreseen.depending.carrying;
                reference.lacking = foreseen.depending.lacking;
                reference.unfit = foreseen.unfit;
                reference.in_the_way = foreseen.in_the_way;
                reference.collisions = foreseen.collisions;
                reference.surplus = foreseen.surplus;
            }
            // Whoever has the table locked lets it go.
            Err(why) if why == LOCKED => return Ok(Err(why)),
            Err(why) => {
                let unsupported = || format!("what it would come to could not be told: {why}");
                reference.unsupported.get_or_insert_with(unsupported);
            }
        }
        Ok(Ok(()))
    }
}

/// What the repair of a reference would come to.
struct Foreseen {
    depending: dependents::Depending,
    unfit: Option<UnfitColumn>,
    in_the_way: Option<InTheWay>,
    collisions: Vec<(String, i64)>,
    surplus: Option<i64>,
}
