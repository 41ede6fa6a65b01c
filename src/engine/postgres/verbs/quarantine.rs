//! What repairs took or changed.

use crate::{
    api::report::ObjectRef,
    domain::target::Target,
    engine::{
        Answer, ExportRequest, Exported, PurgeFilter, Quarantine, QuarantineEntry, QuarantineRows, Resolved,
        Restored, RowsQuery, Run, RunSummary,
        postgres::restore::{self, export, inventory, purge},
    },
};

use std::sync::Arc;

use futures::FutureExt as _;

use super::{PostgresSession, answer, fence, own};

impl Quarantine for PostgresSession {
    fn runs<'a>(
        &'a mut self,
        target: &'a Target,
        resolved: &'a Arc<dyn Resolved>,
    ) -> Answer<'a, Vec<RunSummary>> {
        async move {
            let connection = self.connection();
            answer(async { restore::runs(connection, target, &*own(resolved)?).await }.await)
        }
        .boxed()
    }

    fn inventory<'a>(
        &'a mut self,
        target: &'a Target,
        resolved: &'a Arc<dyn Resolved>,
    ) -> Answer<'a, Vec<QuarantineEntry>> {
        async move {
            let connection = self.connection();
            answer(async { inventory::list(connection, target, &*own(resolved)?).await }.await)
        }
        .boxed()
    }

    fn rows<'a>(
        &'a mut self,
        target: &'a Target,
        resolved: &'a Arc<dyn Resolved>,
        query: &'a RowsQuery,
    ) -> Answer<'a, Vec<QuarantineRows>> {
        async move {
            let connection = self.connection();
            answer(async { inventory::show(connection, target, &*own(resolved)?, query).await }.await)
        }
        .boxed()
    }

    fn restore<'a>(
        &'a mut self,
        run: &'a Run,
        restored: &'a str,
        identity: Option<&'a str>,
    ) -> Answer<'a, Vec<Restored>> {
        async move {
            let connection = self.connection();
            answer(async { restore::restore(connection, fence(run)?, restored, identity).await }.await)
        }
        .boxed()
    }

    fn repeats<'a>(
        &'a mut self,
        target: &'a Target,
        resolved: &'a Arc<dyn Resolved>,
        restored: &'a mut Vec<Restored>,
    ) -> Answer<'a, ()> {
        async move {
            let connection = self.connection();
            answer(async { restore::repeats(connection, target, &*own(resolved)?, restored).await }.await)
        }
        .boxed()
    }

    fn export<'a>(&'a mut self, run: &'a Run, request: &'a ExportRequest) -> Answer<'a, Exported> {
        async move {
            let connection = self.connection();
            answer(async { export::export(connection, fence(run)?, request).await }.await)
        }
        .boxed()
    }

    fn purge_preview<'a>(
        &'a mut self,
        target: &'a Target,
        which: &'a PurgeFilter,
        identity: &'a str,
    ) -> Answer<'a, Vec<(ObjectRef, i64)>> {
        async move { answer(purge::preview(self.connection(), target, which, identity).await) }.boxed()
    }

    fn unrestored<'a>(
        &'a mut self,
        target: &'a Target,
        which: &'a PurgeFilter,
        identity: &'a str,
    ) -> Answer<'a, i64> {
        async move { answer(purge::unrestored(self.connection(), target, which, identity).await) }.boxed()
    }

    fn purge<'a>(
        &'a mut self,
        run: &'a Run,
        which: &'a PurgeFilter,
        identity: &'a str,
    ) -> Answer<'a, Vec<(ObjectRef, i64)>> {
        async move {
            let connection = self.connection();
            answer(async { purge::purge(connection, fence(run)?, which, identity).await }.await)
        }
        .boxed()
    }

    fn purged<'a>(&'a mut self, run: &'a Run) -> Answer<'a, Vec<(ObjectRef, i64)>> {
        async move {
            let connection = self.connection();
            answer(async { purge::purged(connection, fence(run)?).await }.await)
        }
        .boxed()
    }
}
