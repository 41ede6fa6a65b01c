//! What those answered who accept tokens.

use crate::domain::facts::{endpoints::MOST_ASKED, workloads::TakenBy};

/// What the app said to minted and forged tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierFacts {
    /// The verifier's name.
    pub name: String,
    /// Its answer to a minted token.
    pub genuine: ProbeAnswer,
    /// Forgeries that it accepted.
    pub accepted_forgeries: Vec<String>,
    /// The Secret of the previous key that it accepts instead, as `name/key`; asked only where the minted
    /// token was refused.
    pub accepts_previous: Option<String>,
    /// How the key differs whose token it accepts instead, where that is the signing key stored or decoded
    /// otherwise; asked only where nothing else was accepted.
    pub accepts_variant: Option<&'static str>,
    /// What the pods behind it said, each asked by itself.
    pub pods: Pods,
    /// The pod that was asked about the forgeries; none where the verifier's own URL was.
    pub forged_at: Option<String>,
    /// Who takes the signing key; looked up only where a minted token was refused.
    pub taken_by: Option<TakenBy>,
}

/// An app's answer, as far as it says anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// 2xx.
    Accepted,
    /// One of the statuses that count as a refusal.
    Refused(u16),
    /// Another status, or none: why.
    Unclear(String),
    /// The operator's flags do not allow the host: why.
    NotAllowed(String),
}

/// What the pods behind a verifier said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Pods {
    /// They were not asked: nobody wants it, or the verifier is no Service.
    #[default]
    Unasked,
    /// It is not known which there are.
    Unknown {
        /// Why.
        why: String,
        /// Whether the next pass may know.
        transient: bool,
    },
    /// They were asked.
    Asked {
        /// How many are ready.
        ready: usize,
        /// Those whose turn it was.
        asked: Vec<PodFacts>,
    },
}

/// What one pod said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodFacts {
    /// Its name; its address where it has none.
    pub pod: String,
    /// Its answer to a minted token.
    pub genuine: ProbeAnswer,
    /// The Secret of the previous key that it accepts instead, as `name/key`.
    pub accepts_previous: Option<String>,
}

impl PodFacts {
    pub(in crate::domain) fn refuses(&self) -> bool {
        matches!(self.genuine, ProbeAnswer::Refused(_))
    }
}

impl Pods {
    pub(in crate::domain) fn asked(&self) -> &[PodFacts] {
        match self {
            Self::Asked { asked, .. } => asked,
            Self::Unasked | Self::Unknown { .. } => &[],
        }
    }

    /// Whether pods whose turn it was ended before they answered: those that came instead were not asked.
    pub(in crate::domain) fn is_unsettled(&self) -> bool {
        matches!(self, Self::Asked { ready, asked } if asked.len() < MOST_ASKED.min(*ready))
    }
}

impl VerifierFacts {
    /// Whether nothing is wrong and nothing is left to be asked before the next time.
    pub fn is_well(&self) -> bool {
        self.genuine == ProbeAnswer::Accepted
            && self.accepted_forgeries.is_empty()
            && self.pods.asked().iter().all(|pod| pod.genuine == ProbeAnswer::Accepted)
            && !matches!(self.pods, Pods::Unknown { transient: true, .. })
            && !self.pods.is_unsettled()
    }

    /// Whether a token made with the signing key was refused anywhere.
    pub fn is_refused(&self) -> bool {
        matches!(self.genuine, ProbeAnswer::Refused(_)) || self.pods.asked().iter().any(PodFacts::refuses)
    }
}
