//! Makes the pass's connection.

use crate::{
    domain::{
        fault::Fault,
        target::{Database, Target},
    },
    engine::{Engine, Session},
    network::HostPolicy,
};

/// Connects, as the pass says by what.
pub(super) async fn connect(
    engine: &dyn Engine,
    target: &Target,
    policy: &HostPolicy,
) -> Result<Box<dyn Session>, Fault> {
    engine
        .connect(&target.database, policy, &target.resource.namespace)
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
