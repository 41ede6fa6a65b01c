//! An account whose id is not the one that the spec says.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{ObjectRef, Severity},
        spec::OnDrift,
    },
    domain::{
        diagnose::foreign,
        facts::{
            Observation,
            accounts::{Account, AdminFacts, WantedId},
            schema::UserTable,
        },
        finding::{Finding, person},
        step::Step,
        target::{Admin, Target},
    },
};

use super::{naming, unseen};

/// The account has another id than the spec says.
pub(super) fn other_id(
    target: &Target,
    admin: &Admin,
    account: &Account,
    facts: &AdminFacts,
    users: &UserTable,
    observation: &Observation,
) -> Option<Finding> {
    let wanted = facts.wanted.as_ref()?;
    if wanted.canonical.as_ref() == Some(&account.id) {
        return None;
    }
    let moved = OtherId { target, admin, account, wanted, users };
    let to = match moved.usable() {
        Ok(to) => to,
        Err(found) => return Some(*found),
    };
    let held = match admin.on_drift {
        OnDrift::Correct => moved.immovable(observation),
        OnDrift::Report => None,
    };
    let (id, differs) = (moved.id(), moved.differs());
    if wanted.orphan_rows > 0 {
        return Some(moved.claimed(to, held));
    }
    if let Some((reason, why)) = held {
        let refused = format!("{differs}, and it is not moved: {why}");
        return Some(moved.finding(Reason::AdminIdDiffers, Severity::Error, refused).blocked_by(reason));
    }
    let plain = |message: String| moved.finding(Reason::AdminIdDiffers, Severity::Error, message);
    Some(match admin.on_drift {
        OnDrift::Correct => {
            let mut found =
                plain(format!("{differs}: tokens that name {id} find nobody")).with_step(moved.step(to));
            // What could not be read would stay behind.
            found.approval = unseen(observation, &wanted.unseen, "the old id or the new one");
            found
        }
        OnDrift::Report => plain(format!("{differs}: set {}.onDrift to Correct to move it", admin.field())),
    })
}

/// An account whose id is not the one that the spec says.
struct OtherId<'a> {
    target: &'a Target,
    admin: &'a Admin,
    account: &'a Account,
    wanted: &'a WantedId,
    users: &'a UserTable,
}

impl OtherId<'_> {
    /// The id as the spec has it.
    fn id(&self) -> String {
        self.admin.id.clone().unwrap_or_default()
    }

    fn differs(&self) -> String {
        let (who, field) = (self.admin.called(), self.admin.field());
        format!("{who} has the id {} and {field}.id says {}", self.account.id, self.id())
    }

    fn finding(&self, reason: Reason, severity: Severity, message: String) -> Finding {
        let columns = vec![self.target.users.id_column.clone()];
        let at = ObjectRef { columns, ..self.users.object.clone() };
        person(reason, ConditionType::AdminConsistent, severity, Some(at), message)
    }

    /// The id as the database writes it, where the account may have it.
    fn usable(&self) -> Result<String, Box<Finding>> {
        let (wanted, differs) = (self.wanted, self.differs());
        let refused = |message: String, reason| {
            Box::new(self.finding(Reason::AdminIdDiffers, Severity::Error, message).blocked_by(reason))
        };
        let Some(canonical) = wanted.canonical.clone() else {
            let message = format!("{differs}, which is no {}: correct it", self.users.id_type);
            return Err(refused(message, Reason::SpecInvalid));
        };
        if let Some(check) = &wanted.refused {
            let message =
                format!("{differs}, which CHECK {check:?} of the id column refuses: choose another id");
            return Err(refused(message, Reason::SpecInvalid));
        }
        let column = &self.target.users.id_column;
        if self.users.seed.computed.contains(column) {
            let message = format!(
                "{differs}, and the database computes {column} (GENERATED ALWAYS AS), so that nobody can write it: leave {}.id out",
                self.admin.field()
            );
            return Err(refused(message, Reason::RepairUnsupported));
        }
        if wanted.occupied {
            let message = format!(
                "{differs}, which another account has: ids of people are never swapped, so choose another id"
            );
            return Err(Box::new(self.finding(Reason::AdminIdClaimed, Severity::Critical, message)));
        }
        Ok(canonical)
    }

    /// Why it cannot be moved: something of the rows that name it, or somebody else's code on them.
    fn immovable(&self, observation: &Observation) -> Option<(Reason, String)> {
        if self.wanted.immovable.is_some() {
            return self.wanted.immovable.clone();
        }
        // A table may name the id in several columns.
        let moved: Vec<ObjectRef> = self
            .account
            .references
            .iter()
            .flat_map(|(of, _)| {
                of.columns.iter().map(|one| ObjectRef { columns: vec![one.clone()], ..of.clone() })
            })
            .collect();
        let moved: Vec<&ObjectRef> = moved.iter().collect();
        foreign::unnamed(&observation.foreign, &moved, None).map(|why| (Reason::ForeignOwner, why))
    }

    /// Rows that name nobody name the id that it is to get.
    fn claimed(&self, to: String, held: Option<(Reason, String)>) -> Finding {
        let (differs, who) = (self.differs(), self.admin.called());
        let why = format!("{}, which nobody has", naming(self.wanted.orphan_rows, &self.id()));
        let end = match &held {
            // Whoever moves it by hand must know all the same.
            Some((_, held)) => format!("so find out first whose it was; and it is not moved: {held}"),
            None => format!("so approve it only if that was {who}"),
        };
        let message =
            format!("{differs}, and {why}: whoever holds an old token for it would become {who}, {end}");
        let mut found = self.finding(Reason::AdminIdClaimed, Severity::Critical, message);
        found.finding.rows = Some(self.wanted.orphan_rows);
        match held {
            Some((reason, _)) => found.blocked_by(reason),
            None if self.admin.on_drift == OnDrift::Correct => {
                found = found.with_step(self.step(to));
                found.approval = Some(why);
                found
            }
            None => found,
        }
    }

    fn step(&self, to: String) -> Step {
        Step::MoveId {
            users: self.users.object.clone(),
            account: self.admin.account().map(str::to_owned),
            from: self.account.id.clone(),
            to,
            rows: self.account.references.iter().map(|(_, rows)| *rows).fold(1, i64::saturating_add),
            claimed: self.wanted.orphan_rows > 0,
        }
    }
}
