//! What is asked beside a pass, by commands of their own.

pub(in crate::engine::postgres) mod discover;
pub(in crate::engine::postgres) mod grants;
pub(in crate::engine::postgres) mod init;
pub(in crate::engine::postgres) mod logins;
pub(in crate::engine::postgres) mod revoked;
pub(in crate::engine::postgres) mod snapshot;
pub(in crate::engine::postgres) mod subject;
