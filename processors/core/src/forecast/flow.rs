//! How a page's rate divides among campaigns: [`crate::share`] as a flow.

use crate::share::ShareOptions;
use sluice_schemas::Priority;

/// A campaign that could call now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub(super) priority: Priority,
    /// Calls a ms at most.
    pub(super) max: f64,
}

/// What each gets of `total` calls a ms, in their order.
pub(super) fn divide(total: f64, shares: ShareOptions, wishes: &[Wish], rates: &mut Vec<f64>) {
    rates.clear();
    rates.resize(wishes.len(), 0.0);
    let wanted = [Priority::Urgent, Priority::Normal, Priority::Bulk].map(|priority| {
        let level = wishes.iter().filter(|wish| wish.priority == priority);
        level.map(|wish| wish.max.min(total)).sum::<f64>()
    });
    let total = total.min(wanted.iter().sum());
    let keeps = |percent: u32, wanted: f64| (total * f64::from(percent.min(100)) / 100.0).min(wanted);
    let bulk = keeps(shares.bulk_percent, wanted[2]);
    let normal = keeps(shares.normal_percent, wanted[1]).min(total - bulk);
    let mut left = total - normal - bulk;
    let levels = [(Priority::Urgent, 0.0), (Priority::Normal, normal), (Priority::Bulk, bulk)];
    for ((priority, kept), wanted) in levels.into_iter().zip(wanted) {
        let more = left.min(wanted - kept).max(0.0);
        left -= more;
        fill(kept + more, priority, wishes, rates);
    }
}

/// Divides `quota` among the wishes of one priority: equally, but to none more than it can use.
fn fill(mut quota: f64, priority: Priority, wishes: &[Wish], rates: &mut [f64]) {
    let wants = |at: &usize| wishes[*at].priority == priority && wishes[*at].max > 0.0;
    let mut open: Vec<usize> = (0..wishes.len()).filter(wants).collect();
    open.sort_by(|&a, &b| wishes[a].max.total_cmp(&wishes[b].max));
    // Whoever can use the least first: what it leaves is the others'.
    for (served, &at) in open.iter().enumerate() {
        rates[at] = wishes[at].max.min(quota / (open.len() - served) as f64);
        quota -= rates[at];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b4_the_flow_has_the_shares_of_the_sends() {
        let wish = |priority, max| Wish { priority, max };
        let mut rates = Vec::new();
        let (urgent, normal, bulk) = (Priority::Urgent, Priority::Normal, Priority::Bulk);
        let cases: [(&[Wish], &[f64]); 4] = [
            (&[wish(bulk, 1e3), wish(urgent, 1e3), wish(normal, 1e3)], &[5.0, 75.0, 20.0]),
            (&[wish(bulk, 1e3), wish(urgent, 30.0), wish(normal, 1e3)], &[5.0, 30.0, 65.0]),
            (&[wish(normal, 10.0), wish(normal, 1e3), wish(normal, 1e3)], &[10.0, 45.0, 45.0]),
            (&[wish(normal, 10.0), wish(bulk, 20.0)], &[10.0, 20.0]),
        ];
        for (wishes, expected) in cases {
            divide(100.0, ShareOptions::default(), wishes, &mut rates);
            assert_eq!(rates, expected);
        }
    }
}
