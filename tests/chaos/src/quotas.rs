//! Limits above pages that all processes of a run have: pure.

use crate::rules::Rate;
use crate::settings::{CORNER, HTTP_PAGES, KIOSK, Settings, WHATSAPP_PAGES};
use std::fmt::Write;

/// Whose campaigns all are: launches name no tenant.
const TENANT: &str = "default";
/// What [`KIOSK`] and [`CORNER`] may call together in any 24 hours, over all rounds: more than the limit of the one, less
/// than people are waiting.
pub const COUNTER_DAILY: u64 = 100;

/// Whose calls count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Over {
    /// Those of these pages.
    Pages(Vec<&'static str>),
    /// All of a tenant's.
    Tenant(&'static str),
}

/// `[quotas.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// Its name.
    pub name: &'static str,
    /// Whose calls count.
    pub over: Over,
    /// Calls in any window.
    pub rate: Option<Rate>,
    /// Calls in any 24 hours.
    pub daily: Option<u64>,
}

impl Quota {
    /// Whether a call from this page counts.
    pub fn counts(&self, page: &str) -> bool {
        match &self.over {
            Over::Pages(pages) => pages.contains(&page),
            // There is no other.
            Over::Tenant(_) => true,
        }
    }

    /// As the configuration says it.
    pub fn toml(&self) -> String {
        let mut text = format!("[quotas.{}]\n", self.name);
        let over = match &self.over {
            Over::Pages(pages) => format!("pages = {pages:?}"),
            Over::Tenant(tenant) => format!("tenants = [{tenant:?}]"),
        };
        let rate = self.rate.map(|rate| format!("rate = \"{rate}\""));
        let daily = self.daily.map(|daily| format!("daily = \"{daily}/day\""));
        for line in [Some(over), rate, daily].into_iter().flatten() {
            // Writing to a String cannot fail.
            let _infallible = writeln!(text, "{line}");
        }
        text
    }
}

/// The quotas of a run, each over pages of several processes:
///
/// - `portfolio`: pages that could call a third more in a second than it lets them;
/// - `tenant`: all pages, in a minute; wide, as outages are to be caught up;
/// - `counter`: two pages, in a day.
pub fn quotas(settings: &Settings) -> Vec<Quota> {
    let portfolio = HTTP_PAGES[3..].to_vec();
    let of_portfolio = (settings.rate() * portfolio.len() as u64 * 3 / 4).max(1);
    let of_tenant = settings.rate() * (HTTP_PAGES.len() + WHATSAPP_PAGES.len()) as u64 * 60 * 9 / 10;
    let rate = |count, per_s| Some(Rate { count, per_s });
    let quota = |name, over, rate, daily| Quota { name, over, rate, daily };
    vec![
        quota("portfolio", Over::Pages(portfolio), rate(of_portfolio, 1), None),
        quota("tenant", Over::Tenant(TENANT), rate(of_tenant, 60), None),
        quota("counter", Over::Pages(vec![KIOSK, CORNER]), None, Some(COUNTER_DAILY)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b2_a_quota_is_said_as_the_configuration_says_it() {
        let rate = Some(Rate { count: 27, per_s: 1 });
        let pages = Quota { name: "some", over: Over::Pages(vec!["a", "b"]), rate, daily: None };
        assert_eq!(pages.toml(), "[quotas.some]\npages = [\"a\", \"b\"]\nrate = \"27/s\"\n");
        let tenant = Quota { name: "t", over: Over::Tenant("acme"), rate: None, daily: Some(9) };
        assert_eq!(tenant.toml(), "[quotas.t]\ntenants = [\"acme\"]\ndaily = \"9/day\"\n");
        assert_eq!((pages.counts("a"), pages.counts("c"), tenant.counts("c")), (true, false, true));
    }
}
