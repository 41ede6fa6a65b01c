//! What commands ask beside looks and repairs.

use crate::{
    domain::{
        advise::{init::facts::DatabaseFacts, suggestions::Suggestion},
        facts::accounts::LoginFacts,
        identities::snapshot::Snapshot,
        target::{IdentityTable, Target},
    },
    engine::{
        Answer, Discovered, Extent, PreviousUsers, Queries, Resolved, SnapshotRequest, SubjectQuery,
        SubjectRow,
        postgres::{
            observe::{identities::remote, users},
            queries::{discover, grants, init, logins, snapshot, subject},
        },
    },
};

use std::{sync::Arc, time::Duration};

use futures::FutureExt as _;

use super::{PostgresSession, answer, own};

impl Queries for PostgresSession {
    fn resolve<'a>(&'a mut self, target: &'a Target) -> Answer<'a, Arc<dyn Resolved>> {
        async move {
            let known = answer(users::known(self.connection(), target).await)?;
            Ok(Arc::new(known) as Arc<dyn Resolved>)
        }
        .boxed()
    }

    fn grants<'a>(&'a mut self, target: &'a Target, extent: Extent) -> Answer<'a, String> {
        async move { answer(grants::grants(self.connection(), target, extent).await) }.boxed()
    }

    fn suggestions<'a>(&'a mut self, target: &'a Target) -> Answer<'a, (Vec<Suggestion>, Discovered)> {
        async move { answer(discover::suggestions(self.connection(), target).await) }.boxed()
    }

    fn account_tables<'a>(
        &'a mut self,
        table: Option<&'a str>,
        timeout: Duration,
    ) -> Answer<'a, DatabaseFacts> {
        async move { answer(init::read(self.connection(), table, timeout).await) }.boxed()
    }

    fn logins<'a>(
        &'a mut self,
        target: &'a Target,
        resolved: &'a Arc<dyn Resolved>,
    ) -> Answer<'a, Option<LoginFacts>> {
        async move {
            let connection = self.connection();
            answer(async { logins::logins(connection, target, &*own(resolved)?).await }.await)
        }
        .boxed()
    }

    fn snapshot<'a>(&'a mut self, target: &'a Target, request: SnapshotRequest<'a>) -> Answer<'a, Snapshot> {
        async move { answer(snapshot::snapshot(self.connection(), target, request).await) }.boxed()
    }

    fn subjects<'a>(
        &'a mut self,
        target: &'a Target,
        queries: &'a [SubjectQuery],
    ) -> Answer<'a, Vec<SubjectRow>> {
        async move { answer(subject::resolve_subjects(self.connection(), target, queries).await) }.boxed()
    }

    fn previous_users<'a>(
        &'a mut self,
        table: &'a IdentityTable,
        origin: &'a str,
        timeout: Duration,
    ) -> Answer<'a, Result<PreviousUsers, String>> {
        async move { answer(remote::previous_users(self.connection(), table, origin, timeout).await) }.boxed()
    }
}
