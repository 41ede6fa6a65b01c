//! `spec.sessions`.

use super::Parser;
use crate::{
    api::{
        sessions::{OnKeyChange, SessionsSpec},
        spec::AuthConsistencySpec,
    },
    consistency::{
        sessions::{Revoked, Sessions},
        target::Users,
    },
};

impl Parser<'_> {
    pub(super) fn sessions(
        &mut self,
        spec: &AuthConsistencySpec,
        sessions: &SessionsSpec,
        users: &Users,
    ) -> Sessions {
        if spec.jwt.is_none() {
            self.spec("spec.sessions is about tokens: set spec.jwt too");
        }
        let column = &sessions.invalidate_before_column;
        if sessions.on_key_change == OnKeyChange::End && column.is_none() {
            self.spec("spec.sessions.onKeyChange: End sets a column, so set invalidateBeforeColumn");
        }
        if let Some(column) = column {
            let mut taken =
                [Some(&users.id_column), users.login_column.as_ref(), users.password_column.as_ref()]
                    .into_iter()
                    .flatten()
                    .chain(users.active_when.iter().map(|one| &one.column))
                    .chain(spec.admin.iter().flat_map(|admin| &admin.columns).map(|one| &one.column))
                    .chain(spec.jwt.iter().filter_map(|jwt| jwt.subject_column.as_ref()));
            if taken.any(|name| name == column) {
                self.spec(format!(
                    "spec.sessions.invalidateBeforeColumn: {column:?} is named for something else already, and would be overwritten"
                ));
            }
        }
        Sessions {
            column: column.clone(),
            on_key_change: sessions.on_key_change,
            revoked: sessions.revoked.as_ref().map(|revoked| Revoked {
                schema: revoked.schema.clone().unwrap_or_else(|| users.schema.clone()),
                table: revoked.table.clone(),
                column: revoked.column.clone(),
            }),
        }
    }
}
