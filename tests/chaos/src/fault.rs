//! What is done to a running cluster.

use std::fmt;
use std::str::FromStr;

/// One kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A process gets SIGKILL and is started again later.
    Kill,
    /// A process gets SIGSTOP for longer than the session timeout, then SIGCONT: the former owner that wakes up.
    Freeze,
    /// A process gets SIGTERM and is started again later.
    Terminate,
    /// One process more, which leaves again by SIGTERM.
    Add,
    /// The broker gets SIGKILL and is started again on the same files.
    BrokerKill,
    /// The broker gets SIGSTOP, then SIGCONT: connections stay open, nothing answers.
    BrokerPause,
    /// The database gets SIGKILL and is started again on the same files.
    StoreKill,
    /// The database gets SIGSTOP, then SIGCONT.
    StorePause,
    /// All connections to the broker are cut, new ones refused for a time.
    LogCut,
    /// Nothing passes on connections to the broker for a time.
    LogHang,
    /// Everything to and from the broker takes longer for a time.
    LogDelay,
    /// All connections to the database are cut, new ones refused for a time.
    StoreCut,
    /// Nothing passes on connections to the database for a time.
    StoreHang,
    /// Everything to and from the database takes longer for a time.
    StoreDelay,
    /// Most webhooks come twice, late, early or out of order for a time.
    Webhooks,
}

/// What a fault happens to. Two faults at once never happen to the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// A `sluice run`.
    Process,
    /// The broker, or the way to it.
    Log,
    /// The database, or the way to it.
    Store,
    /// The provider.
    Provider,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 15] = [
        Kind::Kill,
        Kind::Freeze,
        Kind::Terminate,
        Kind::Add,
        Kind::BrokerKill,
        Kind::BrokerPause,
        Kind::StoreKill,
        Kind::StorePause,
        Kind::LogCut,
        Kind::LogHang,
        Kind::LogDelay,
        Kind::StoreCut,
        Kind::StoreHang,
        Kind::StoreDelay,
        Kind::Webhooks,
    ];

    /// The word of `--faults` and of the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Kill => "kill",
            Kind::Freeze => "freeze",
            Kind::Terminate => "terminate",
            Kind::Add => "add",
            Kind::BrokerKill => "broker-kill",
            Kind::BrokerPause => "broker-pause",
            Kind::StoreKill => "store-kill",
            Kind::StorePause => "store-pause",
            Kind::LogCut => "log-cut",
            Kind::LogHang => "log-hang",
            Kind::LogDelay => "log-delay",
            Kind::StoreCut => "store-cut",
            Kind::StoreHang => "store-hang",
            Kind::StoreDelay => "store-delay",
            Kind::Webhooks => "webhooks",
        }
    }

    /// What it happens to.
    pub fn thing(self) -> Thing {
        match self {
            Kind::Kill | Kind::Freeze | Kind::Terminate | Kind::Add => Thing::Process,
            Kind::BrokerKill | Kind::BrokerPause | Kind::LogCut | Kind::LogHang | Kind::LogDelay => {
                Thing::Log
            }
            Kind::StoreKill | Kind::StorePause | Kind::StoreCut | Kind::StoreHang | Kind::StoreDelay => {
                Thing::Store
            }
            Kind::Webhooks => Thing::Provider,
        }
    }

    /// Whether a process ends in order, so that nobody may become `unknown` by it.
    pub fn is_clean(self) -> bool {
        matches!(self, Kind::Terminate | Kind::Add | Kind::Webhooks)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let all: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("`{text}` is no fault; there are {}", all.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_found_by_its_name_and_an_unknown_one_says_which_there_are() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert!("killl".parse::<Kind>().unwrap_err().contains("broker-kill"));
    }
}
