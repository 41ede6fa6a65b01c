//! Rows that a list gives back to nobody, by cause: each has its own way out.

use crate::domain::{
    diagnose::refusal::choices,
    facts::{
        Observation,
        identities::{Counted, IdentityFacts, ReferenceFacts, Remainder},
        references::Reference,
    },
    target::policy::Policy,
    text::{clip, count, sample},
};

/// What becomes of the rows that are left; `None` where there are none.
pub(super) fn remainder(
    observation: &Observation,
    identities: &IdentityFacts,
    reference: &Reference,
    policy: &Policy,
    facts: &ReferenceFacts,
) -> Option<String> {
    let Remainder { gone, alike, ambiguous, .. } = &facts.remainder;
    let mut parts = Vec::new();
    if alike.rows > 0 {
        parts.push(format!(
            "{} to {} whose account has the login in another case or with other spaces ({}): where they are the same people, write into the list the logins that those accounts have",
            belong(alike.rows),
            people(alike.keys),
            pairs(&facts.remainder),
        ));
    }
    if ambiguous.rows > 0 {
        parts.push(format!(
            "{} to {} whose login several accounts have, or nearly ({}): leave one account that has it, or write into the list the login that only the right one has",
            belong(ambiguous.rows),
            people(ambiguous.keys),
            keys(ambiguous),
        ));
    }
    if gone.rows > 0 {
        let unseen = if identities.keyed {
            " under that very login (the logins of the list are keyed, so another spelling is not seen)"
        } else {
            ""
        };
        parts.push(format!(
            "{} to {} of the list who {} no account today{unseen} ({}): make {} one",
            belong(gone.rows),
            people(gone.keys),
            if gone.keys == 1 { "has" } else { "have" },
            keys(gone),
            if gone.keys == 1 { "that person" } else { "each of them" },
        ));
    }
    let rows = reference.orphans.rows - facts.returning.rows - facts.remainder.rows();
    let ids = reference.orphans.keys - facts.returning.keys - facts.remainder.keys();
    if rows > 0 {
        parts.push(format!(
            "{} {} {} that the list does not have: take {} into it",
            count(rows, "row"),
            if rows == 1 { "names" } else { "name" },
            count(ids.max(1), "id"),
            if ids <= 1 { "that person" } else { "those people" },
        ));
    }
    let chosen = choices(observation, reference, policy, None, None);
    if let Some(some) = chosen.filter(|_| gone.rows > 0 || rows > 0) {
        parts.push(format!("for rows that are to be nobody's, choose {some}"));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Why rows that name somebody else are given to nobody.
pub(super) fn of_others(remainder: &Remainder) -> String {
    let Remainder { alike, ambiguous, .. } = remainder;
    if alike.rows > 0 {
        return format!(
            "; {} to {} whose account has the login in another case or with other spaces ({}): where they are the same people, write into the list the logins that those accounts have",
            belong(alike.rows),
            people(alike.keys),
            pairs(remainder),
        );
    }
    if ambiguous.rows > 0 {
        return format!(
            "; {} to {} whose login several accounts have, or nearly, so nobody can be given them",
            belong(ambiguous.rows),
            people(ambiguous.keys),
        );
    }
    "; their own people have no account today, so nobody can be given them".to_owned()
}

fn belong(rows: i64) -> String {
    format!("{} {}", count(rows, "row"), if rows == 1 { "belongs" } else { "belong" })
}

fn people(n: i64) -> String {
    if n == 1 { "1 person".to_owned() } else { count(n, "people").trim_end_matches('s').to_owned() }
}

fn keys(counted: &Counted) -> String {
    let shown: Vec<String> = counted.sample.iter().map(|key| clip(key, 40)).collect();
    sample(&shown, counted.keys)
}

fn pairs(remainder: &Remainder) -> String {
    let shown: Vec<String> = remainder
        .pairs
        .iter()
        .map(|(old, id)| format!("{} is perhaps {}", clip(old, 40), clip(id, 40)))
        .collect();
    sample(&shown, remainder.alike.keys)
}
