//! What is allowed in a document and may still be a mistake.

use std::collections::BTreeMap;
use std::fmt;

use althing_types::{AuthPolicy, Quorums};

use crate::genesis::Genesis;

/// Something that an operator should have decided knowingly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The network is for development.
    Dev,
    /// There are too few validators to tolerate a fault.
    NoFaultTolerance {
        /// Validators.
        n: u16,
    },
    /// Fewer faults are tolerated than could be.
    FewerFaults {
        /// Faults tolerated.
        f: u16,
        /// Faults that could be.
        max: u16,
    },
    /// Not every validator has approved the document.
    Unsigned {
        /// The names of those who have not.
        missing: Vec<String>,
    },
    /// Several validators run on one machine and fail together.
    SharedHost {
        /// The machine.
        host: String,
        /// The names of the validators.
        names: Vec<String>,
    },
    /// Other machines cannot reach a validator.
    Loopback {
        /// The name of the validator.
        name: String,
    },
    /// Nobody could bring the chain back although one lost validator stops it.
    NoRecovery,
    /// One operator alone could bring the chain back as he likes.
    SoleRecovery,
    /// There is nothing to transfer.
    NoBalances,
}

impl Genesis {
    /// What is allowed and may still be a mistake. A development network is only warned of as such.
    pub fn warnings(&self) -> Vec<Warning> {
        if self.is_dev() {
            return vec![Warning::Dev];
        }
        let quorums = self.set.quorums();
        let (n, f, max) = (quorums.n(), quorums.f(), Quorums::faulty_max(quorums.n()));
        let mut warnings = Vec::new();
        if max == 0 {
            warnings.push(Warning::NoFaultTolerance { n });
        } else if f < max {
            warnings.push(Warning::FewerFaults { f, max });
        }
        if f == 0 && self.recovery.is_none() {
            warnings.push(Warning::NoRecovery);
        }
        if matches!(self.recovery, Some(AuthPolicy::Threshold { need: 1, .. })) {
            warnings.push(Warning::SoleRecovery);
        }
        self.warn_of_hosts(&mut warnings);
        if self.accounts.iter().all(|account| account.balances.is_empty()) {
            warnings.push(Warning::NoBalances);
        }
        let names = self.validators.iter().map(|validator| &validator.name);
        let mut missing: Vec<String> = names.filter(|name| !self.is_signed_by(name)).cloned().collect();
        missing.sort();
        if !missing.is_empty() {
            warnings.push(Warning::Unsigned { missing });
        }
        warnings
    }

    fn warn_of_hosts(&self, warnings: &mut Vec<Warning>) {
        let mut hosts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for validator in &self.validators {
            let host = validator.p2p_addr.host();
            if host.is_loopback() {
                warnings.push(Warning::Loopback { name: validator.name.clone() });
            }
            hosts.entry(host.to_string()).or_default().push(validator.name.clone());
        }
        let shared = hosts.into_iter().filter(|(_, names)| names.len() > 1);
        warnings.extend(shared.map(|(host, names)| Warning::SharedHost { host, names }));
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dev => f.write_str("development network: anybody may know its keys"),
            Self::NoFaultTolerance { n: 1 } => {
                f.write_str("1 validator tolerates no fault: if it stops, the chain stops")
            }
            Self::NoFaultTolerance { n } => {
                write!(f, "{n} validators tolerate no fault: if one stops, the chain stops; use 4 or more")
            }
            Self::FewerFaults { f: given, max } => {
                write!(f, "consensus.f is {given} although {max} faults could be tolerated")
            }
            Self::Unsigned { missing } => {
                write!(f, "not approved yet by {}; see `althing genesis sign`", missing.join(", "))
            }
            Self::SharedHost { host, names } => {
                write!(f, "{} share the host {host} and would fail together", names.join(", "))
            }
            Self::Loopback { name } => write!(f, "{name} has a loopback address, which no other machine reaches"),
            Self::NoRecovery => {
                f.write_str("no recovery is named: a validator that loses its vote log stops the chain for good")
            }
            Self::SoleRecovery => {
                f.write_str("recovery.need is 1: whoever has one of the recovery keys can recover the chain alone")
            }
            Self::NoBalances => f.write_str("no account holds anything: there is nothing to transfer"),
        }
    }
}
