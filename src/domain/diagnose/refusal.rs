//! Why rows of a reference are not repaired, though a rule says how.

use crate::{
    api::{
        condition::Reason,
        report::{Action, ObjectRef},
        spec::OnCollision,
    },
    domain::{
        diagnose::{
            foreign,
            obstacles::{in_the_way, lacks, refit},
            rights, suspects,
        },
        facts::{
            Observation,
            references::{Comparison, Reference},
            rights::Right,
        },
        target::{Target, policy::Policy},
        text::{count, sample},
    },
};

pub(in crate::domain) fn table(reference: &Reference) -> String {
    format!("{}.{}", reference.object.schema, reference.object.table)
}

/// Whether nothing that was seen of a reference keeps a repair from being chosen, rights and foreign owners aside:
/// those are ended elsewhere.
fn is_open(action: Action, observation: &Observation, reference: &Reference, policy: &Policy) -> bool {
    let users = observation.users.as_ref().ok();
    let accounts = users.is_some_and(|users| {
        users.object.schema == reference.object.schema && users.object.table == reference.object.table
    });
    let heir = observation.admin.as_ref().is_some_and(|admin| admin.exact <= 1 && admin.look_alikes == 0);
    let changed = reference.keyed && reference.cascades.is_empty();
    let sound =
        reference.unsupported.is_none() && suspects::spelled(observation, &reference.object).is_none();
    sound
        && match action {
            Action::SetNull => changed && !reference.not_null,
            Action::Delete => !accounts && reference.dependents.is_empty(),
            Action::Reassign => {
                changed
                    && heir
                    && !policy.credentials
                    && reference.credentials.is_none()
                    && reference.comparison == Comparison::Native
                    && reference.unfit.is_none()
                    && reference.shared.is_empty()
            }
            _ => false,
        }
}

/// What can be chosen for the orphans of a reference: `Reassign, SetNull or Delete`, or as much of it as would be
/// done; `None` where nothing would.
pub(in crate::domain) fn choices(
    observation: &Observation,
    reference: &Reference,
    policy: &Policy,
    but: Option<Action>,
    first: Option<String>,
) -> Option<String> {
    let open = [Action::Reassign, Action::SetNull, Action::Delete]
        .into_iter()
        .filter(|action| Some(*action) != but && is_open(*action, observation, reference, policy));
    let mut open: Vec<String> = first.into_iter().chain(open.map(|action| action.to_string())).collect();
    let last = open.pop()?;
    Some(if open.is_empty() { last } else { format!("{} or {last}", open.join(", ")) })
}

/// The same as a clause: what to use in place of a repair that is refused.
fn instead(action: Action, observation: &Observation, reference: &Reference, policy: &Policy) -> String {
    match choices(observation, reference, policy, Some(action), None) {
        Some(others) => format!("use {others}"),
        None => "mend the rows by hand".to_owned(),
    }
}

/// A repair that was asked for of one reference.
struct Wanted<'a> {
    action: Action,
    target: &'a Target,
    observation: &'a Observation,
    reference: &'a Reference,
    policy: &'a Policy,
}

/// A reason and a clause.
type Refusal = (Reason, String);

/// Why the repair that was asked for is not done: told when it is planned, not when it runs.
pub(in crate::domain) fn refusal(
    action: Action,
    target: &Target,
    observation: &Observation,
    reference: &Reference,
) -> Option<Refusal> {
    let policy = &target.references.policy(&reference.object);
    let wanted = Wanted { action, target, observation, reference, policy };
    wanted
        .of_no_orphans()
        .or_else(|| wanted.of_credentials())
        .or_else(|| wanted.of_the_columns())
        .or_else(|| wanted.of_the_table())
        .or_else(|| wanted.of_rights())
        .or_else(|| wanted.of_cascades())
        .or_else(|| wanted.of_the_rows())
}

impl Wanted<'_> {
    fn instead(&self) -> String {
        instead(self.action, self.observation, self.reference, self.policy)
    }

    /// The rows name users in another spelling.
    fn of_no_orphans(&self) -> Option<Refusal> {
        let spelling = suspects::spelled(self.observation, &self.reference.object)?;
        Some((
            Reason::IdSpellingDiffers,
            format!(
                "first give {}, which {} users in another spelling, the users' own",
                count(spelling.rows, "further row"),
                if spelling.rows == 1 { "names" } else { "name" },
            ),
        ))
    }

    /// Who holds what the rows carry would become the admin.
    fn of_credentials(&self) -> Option<Refusal> {
        if self.action != Action::Reassign {
            return None;
        }
        let why = if self.policy.credentials {
            "a rule says that the rows carry credentials, which would make their holders the admin; use Delete".to_owned()
        } else {
            let why = self.reference.credentials.as_ref()?;
            format!(
                "the rows carry credentials ({why}), which would make their holders the admin; use Delete"
            )
        };
        Some((Reason::ReassignRefused, why))
    }

    /// The columns cannot hold what would be written.
    fn of_the_columns(&self) -> Option<Refusal> {
        let Self { action, reference, .. } = self;
        let unsupported = |why: String| Some((Reason::RepairUnsupported, why));
        // Which rows name nobody, the texts say exactly; which value would name somebody, they do not.
        if reference.comparison == Comparison::AsText && !matches!(action, Action::Delete | Action::SetNull) {
            return unsupported(other_type(*action, reference, &self.instead()));
        }
        unsupported(reference.unsupported.clone()?)
    }

    /// The table is one of accounts, or a changed row could not be found again or would hold something else.
    fn of_the_table(&self) -> Option<Refusal> {
        let Self { action, reference, .. } = self;
        let unsupported = |why: String| Some((Reason::RepairUnsupported, why));
        let users = self.observation.users.as_ref().ok();
        if *action == Action::Delete
            && users.is_some_and(|users| {
                users.object.schema == reference.object.schema && users.object.table == reference.object.table
            })
        {
            return unsupported(format!(
                "the rows are accounts, which are never deleted for what they name; {}",
                self.instead()
            ));
        }
        if *action != Action::Delete && !reference.keyed {
            return unsupported(format!(
                "the table has no primary key, so a changed row could not be found again and put back; add one over columns whose values are unique, or {}",
                self.instead()
            ));
        }
        if *action != Action::Reassign {
            return None;
        }
        if let Some(unfit) = &reference.unfit {
            return unsupported(format!(
                "{}, by which the admin is named: {}, or {}",
                unfit.why,
                self.instead(),
                refit(self.target.hints, reference, unfit)
            ));
        }
        if !reference.shared.is_empty() {
            return unsupported(format!(
                "column {} belongs to another foreign key too, so the rows would change more than their user; {}",
                reference.shared.join(", "),
                self.instead()
            ));
        }
        None
    }

    /// Somebody else's tables, and rights that the role lacks.
    fn of_rights(&self) -> Option<Refusal> {
        let Self { action, reference, .. } = self;
        let (action, hints) = (*action, self.target.hints);
        let along = reference.takes.iter().filter(|_| action == Action::Delete).map(|taken| &taken.object);
        let touched: Vec<&ObjectRef> = std::iter::once(&reference.object).chain(along).collect();
        if let Some(why) = foreign::unnamed(&self.observation.foreign, &touched, Some(self.policy.on_orphan))
        {
            return Some((Reason::ForeignOwner, why));
        }
        let rights = &reference.rights;
        if !rights.update || (action == Action::Delete && !rights.delete) {
            let (may_not, right) =
                if rights.update { ("DELETE from", Right::Delete) } else { ("UPDATE", Right::Update) };
            return Some((
                Reason::PrivilegeMissing,
                format!(
                    "the role may not {may_not} {}; {}",
                    table(reference),
                    rights::grant(hints, rights, &[right], &reference.object)
                ),
            ));
        }
        // The admin's row is locked while rows are given to it, which takes the right to UPDATE it.
        let users = self.observation.users.as_ref().ok();
        if let Some(users) = users.filter(|users| action == Action::Reassign && !users.rights.update) {
            return Some((
                Reason::PrivilegeMissing,
                format!(
                    "the role may not UPDATE the user table, without which the admin's account cannot be held; {}",
                    rights::grant(hints, &users.rights, &[Right::Update], &users.object)
                ),
            ));
        }
        let lacking = &reference.lacking;
        lacks(hints, &rights.role, if action == Action::Delete { &lacking.delete } else { &lacking.change })
    }

    /// The change would go on to rows that nobody copies.
    fn of_cascades(&self) -> Option<Refusal> {
        let cascades = &self.reference.cascades;
        (self.action != Action::Delete && !cascades.is_empty()).then(|| {
            (
                Reason::RepairUnsupported,
                format!(
                    "the change would go on to rows of other tables by ON UPDATE ({}), which are not copied; take those away first",
                    cascades.join(", ")
                ),
            )
        })
    }

    /// Rows as the repair would make them are refused by something, or others depend on them.
    fn of_the_rows(&self) -> Option<Refusal> {
        let Self { reference, .. } = self;
        let way =
            || in_the_way(self.target.hints, self.action, &reference.object, reference.in_the_way.as_ref());
        match self.action {
            Action::SetNull if reference.not_null => Some((
                Reason::SetNullRefused,
                format!("the column may not be NULL; {}, or allow NULL", self.instead()),
            )),
            Action::SetNull => way(),
            Action::Delete if !reference.dependents.is_empty() => Some((
                Reason::RepairUnsupported,
                format!(
                    "rows of other tables depend on them ({}); clear those first",
                    reference.dependents.join(", ")
                ),
            )),
            Action::Reassign => {
                let collision = Collision {
                    keys: &reference.collisions,
                    surplus: reference.surplus,
                    otherwise: "or use Delete, or merge them by hand",
                };
                let collision = collision.refused(self.target, self.observation, reference);
                collision.or_else(way).or_else(|| self.of_the_admin())
            }
            _ => None,
        }
    }

    /// An ambiguous admin is nobody's heir.
    fn of_the_admin(&self) -> Option<Refusal> {
        let admin = self.observation.admin.as_ref()?;
        (admin.exact > 1 || admin.look_alikes > 0).then(|| {
            (Reason::AdminAmbiguous, "there is not exactly one admin to give the rows to".to_owned())
        })
    }
}

/// Why no id is written into a column of another type than the ids', and what goes before.
fn other_type(action: Action, reference: &Reference, instead: &str) -> String {
    let why = "the types differ and are only compared as text, so no id is written into the column";
    if action != Action::Remap {
        return format!("{why}; {instead}");
    }
    if reference.partial {
        return format!(
            "{why}, and its type stays, since rows outside of the rule's `where` may hold other ids; write the ids by hand, or, for rows that are to be nobody's, {instead}"
        );
    }
    match &reference.unconvertible {
        Some(none) if none.rows == 0 => {
            format!("{why}; change its type first, as IdTypeDiffers says, and check again")
        }
        Some(some) => format!(
            "{why}; {} of the table {} no id by {} type ({}): clear {}, then change the type, as IdTypeDiffers says, and check again",
            count(some.rows, "row"),
            if some.rows == 1 { "holds" } else { "hold" },
            if some.rows == 1 { "its" } else { "their" },
            sample(&some.sample, some.keys),
            if some.rows == 1 { "it" } else { "them" },
        ),
        None => format!(
            "{why}; change its type first, as IdTypeDiffers says, and check again; for rows that are to be nobody's, {instead}"
        ),
    }
}

/// Rows that collide in unique keys of whom they are given to.
pub(in crate::domain) struct Collision<'a> {
    /// The keys, and rows concerned.
    pub keys: &'a [(String, i64)],
    /// How many rows would have to be removed, where that can be told.
    pub surplus: Option<i64>,
    /// What else can be done.
    pub otherwise: &'a str,
}

impl Collision<'_> {
    /// Why they keep the other rows from being given, if they do.
    pub(in crate::domain) fn refused(
        &self,
        target: &Target,
        observation: &Observation,
        reference: &Reference,
    ) -> Option<Refusal> {
        let (index, rows) = self.keys.first()?;
        let otherwise = self.otherwise;
        let refused = |reason, why: &str| {
            Some((
                reason,
                format!("{} would collide in the unique key {index}{why}; {otherwise}", count(*rows, "row")),
            ))
        };
        if target.references.policy(&reference.object).on_collision == OnCollision::Report {
            return refused(
                Reason::UniqueKeyInTheWay,
                "; use onCollision: DeleteOrphan, which keeps one of them and the others in quarantine",
            );
        }
        if self.surplus.is_none() {
            return refused(
                Reason::UniqueKeyInTheWay,
                ", which has an expression or a condition, so nobody can tell beforehand which of them give way",
            );
        }
        if !reference.takes.is_empty() {
            return refused(
                Reason::UniqueKeyInTheWay,
                ", and rows of other tables would go along with those that give way",
            );
        }
        // What is removed is subject to all that a Delete is.
        let (reason, why) = refusal(Action::Delete, target, observation, reference)?;
        refused(reason, &format!(", and those that give way cannot be deleted: {why}"))
    }
}
