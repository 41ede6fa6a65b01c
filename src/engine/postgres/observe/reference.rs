//! What is seen of one reference.

use sqlx::PgConnection;

use crate::{
    domain::facts::{
        credentials,
        references::{Orphans, Reference},
    },
    engine::postgres::{catalog::reference::ReferenceTable, sql::Sql},
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
}
