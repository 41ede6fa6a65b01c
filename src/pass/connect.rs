//! Makes the pass's connection.

use crate::{
    domain::{
        fault::Fault,
        target::{Database, Target},
    },
    engine::postgres::{self, Session},
    network::HostPolicy,
};

pub(super) async fn connect(target: &Target, policy: &HostPolicy) -> Result<Session, Fault> {
    postgres::connect(&target.database, policy, &target.resource.namespace)
        .await
        .map_err(|error| at_database(&target.database, error.fault()))
}

pub(super) fn at_database(database: &Database, mut fault: Fault) -> Fault {
    let connection = &database.connection;
    fault.message = format!("{}:{}: {}", connection.host, connection.port, fault.message);
    if let Some(disagreement) = &database.disagreement {
        fault.message = format!("{} ({disagreement})", fault.message);
    }
    fault
}
