//! A database block of the spec: one connection string, or its parts.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        shared::{DatabaseSpec, SecretKeyRef, TlsMode},
    },
    domain::{
        diagnose::connection,
        parse::connection_string,
        target::{
            Database, certificates::Authorities, connection::Connection, odd::Odd, secrets::TargetError,
        },
    },
};

use super::Parser;

/// Where a database block stands, and how what is wrong with it is shown.
pub(super) struct Place {
    field: &'static str,
    condition: ConditionType,
    /// Another engine, and a string that cannot be understood.
    reasons: (Reason, Reason),
    /// Authorities that cannot be understood.
    encryption: Reason,
}

impl Place {
    /// The app's own database.
    pub(super) const APP: Self = Self {
        field: "spec.database",
        condition: ConditionType::DatabaseReachable,
        reasons: (Reason::DatabaseEngineUnsupported, Reason::DatabaseUrlInvalid),
        encryption: Reason::DatabaseTlsFailed,
    };

    /// The database that holds the users as they were.
    pub(super) const IDENTITIES: Self = Self {
        field: "spec.references.identities.database",
        condition: ConditionType::ReferencesConsistent,
        reasons: (Reason::IdentitiesInvalid, Reason::IdentitiesInvalid),
        encryption: Reason::IdentitiesInvalid,
    };

    /// The field's path in front of what is said of a Secret; of the app's own database the condition
    /// says which it is.
    fn said(&self, message: &str) -> String {
        if self.condition == ConditionType::DatabaseReachable {
            return message.to_owned();
        }
        format!("{}.urlSecretRef: {}", self.field, message.replace("spec.database", self.field))
    }
}

impl Parser<'_> {
    pub(super) fn database(&mut self, spec: &DatabaseSpec, place: &Place) -> Option<Database> {
        let (connection, odd) = match (&spec.url_secret_ref, &spec.host) {
            (Some(reference), None) => self.connection_string(reference, place)?,
            (None, Some(host)) => self.connection_parts(spec, host, place)?,
            _ => {
                self.spec(format!("{}: set exactly one of urlSecretRef and host", place.field));
                return None;
            }
        };
        let asked = spec.tls.as_ref().map(|tls| tls.mode);
        // No word of encryption anywhere means the safest mode: plain text must be said.
        let tls = asked.or(connection.tls).unwrap_or(TlsMode::VerifyFull);
        let disagreement = match (asked, connection.tls) {
            (Some(asked), Some(said)) if asked != said => Some(format!(
                "{}.tls.mode is {asked:?} and the connection string says {said:?}: the spec wins",
                place.field
            )),
            _ => None,
        };
        let reference = spec.tls.as_ref().and_then(|tls| tls.ca_secret_ref.as_ref());
        let ca = self.secret(reference).map(<[u8]>::to_vec);
        // The driver takes what is no certificate for the name of a file, and repeats it.
        if let Some(Err(error)) = ca.as_deref().map(Authorities::of_a_database) {
            self.errors.push(TargetError {
                reason: place.encryption,
                condition: place.condition,
                message: format!("{}.tls.caSecretRef: {error}", place.field),
            });
            return None;
        }
        let named_in = match (&spec.host, place.condition) {
            (None, _) => "the database's name in the Secret",
            (Some(_), ConditionType::DatabaseReachable) => "spec.database.name",
            (Some(_), _) => "spec.references.identities.database.name",
        };
        Some(Database { connection, tls, ca, disagreement, named_in, odd })
    }

    fn connection_string(
        &mut self,
        reference: &SecretKeyRef,
        place: &Place,
    ) -> Option<(Connection, Vec<Odd>)> {
        let bytes = self.secret(Some(reference))?;
        let error = match connection_string::parse(bytes) {
            Ok(connection) => {
                let odd = Odd::parts(&format!("{}.urlSecretRef", place.field), bytes, &connection);
                return Some((connection, odd));
            }
            Err(error) => error,
        };
        let odd = if error.is_whole() { connection::bracketed(bytes) } else { String::new() };
        self.errors.push(TargetError {
            reason: if error.is_engine() { place.reasons.0 } else { place.reasons.1 },
            condition: place.condition,
            message: place
                .said(&format!("key {:?} of Secret {:?}: {error}{odd}", reference.key, reference.name)),
        });
        None
    }

    fn connection_parts(
        &mut self,
        spec: &DatabaseSpec,
        host: &str,
        place: &Place,
    ) -> Option<(Connection, Vec<Odd>)> {
        let mut needed = |there: bool, name: &str| {
            if !there {
                self.spec(format!("{0}.{name}: set it, since {0}.host is set", place.field));
            }
        };
        needed(spec.name.is_some(), "name");
        needed(spec.username_secret_ref.is_some(), "usernameSecretRef");
        needed(spec.password_secret_ref.is_some(), "passwordSecretRef");
        let mut odd = Vec::new();
        let mut line = |reference: &Option<SecretKeyRef>, name: &str| {
            let field = format!("{}.{name}", place.field);
            odd.extend(self.secret(reference.as_ref()).iter().flat_map(|bytes| Odd::whole(&field, bytes)));
            let text = self.secret_line(reference.as_ref(), &field)?;
            self.without_nul(&text, &field).then_some(text)
        };
        let user = line(&spec.username_secret_ref, "usernameSecretRef");
        let password = line(&spec.password_secret_ref, "passwordSecretRef");
        let named =
            spec.name.as_ref().is_none_or(|name| self.without_nul(name, &format!("{}.name", place.field)));
        let connection = Connection {
            host: host.to_owned(),
            port: spec.port.and_then(|port| u16::try_from(port).ok()).unwrap_or(5432),
            user: user?,
            password: password?.into(),
            database: spec.name.clone().filter(|_| named)?,
            tls: None,
            schema: None,
        };
        Some((connection, odd))
    }

    /// The protocol ends each text with a NUL byte, so that what stands behind one would be something else.
    fn without_nul(&mut self, text: &str, field: &str) -> bool {
        let without = !text.contains('\0');
        if !without {
            self.spec(format!("{field}: it has a NUL byte, which PostgreSQL takes in none: remove it"));
        }
        without
    }
}
