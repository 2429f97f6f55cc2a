//! Who goes first on a page, by the rules of its shares. Pure.

use super::report::OnPage;
use sluice_core::CampaignState;
use sluice_core::share::ShareOptions;
use sluice_schemas::Priority;

/// Names that are told of one priority.
const NAMES_TOLD: usize = 5;

/// `First goes flash (urgent), then spring and summer in equal parts (normal, which keeps 20 % of the page).` Those that
/// are held take no turns, and are left out; `None`: fewer than two take any.
pub fn order(campaigns: &[OnPage], shares: ShareOptions) -> Option<String> {
    let takes_turns = |on_page: &&OnPage| {
        on_page.state == CampaignState::Running && on_page.waiting > 0 && !on_page.is_held
    };
    let sending: Vec<&OnPage> = campaigns.iter().filter(takes_turns).collect();
    if sending.len() < 2 {
        return None;
    }
    let of = |priority: Priority| -> Vec<&str> {
        let named = sending.iter().filter(|on_page| on_page.priority == priority);
        named.map(|on_page| on_page.campaign.as_str()).collect()
    };
    let levels =
        [Priority::Urgent, Priority::Normal, Priority::Bulk].map(|priority| (priority, of(priority)));
    let mut levels = levels.into_iter().filter(|(_, names)| !names.is_empty());
    let (first, names) = levels.next()?;
    let mut says = format!("First goes {} ({})", together(&names), first.as_str());
    for (priority, names) in levels {
        let keeps = match priority {
            Priority::Bulk => shares.bulk_percent,
            _ => shares.normal_percent,
        };
        let keeps = format!("{}, which keeps {keeps} % of the page", priority.as_str());
        says.push_str(&format!(", then {} ({keeps})", together(&names)));
    }
    says.push('.');
    Some(says)
}

/// `spring, summer and autumn in equal parts`.
fn together(names: &[&str]) -> String {
    let more = names.len().saturating_sub(NAMES_TOLD);
    let more = (more > 0).then(|| format!("{more} more"));
    let told: Vec<&str> = names.iter().take(NAMES_TOLD).copied().chain(more.as_deref()).collect();
    match told.split_last() {
        Some((last, others)) if !others.is_empty() => {
            format!("{} and {last} in equal parts", others.join(", "))
        }
        _ => told.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_page(campaign: &str, priority: Priority) -> OnPage {
        OnPage {
            campaign: campaign.to_owned(),
            tenant: "default".to_owned(),
            state: CampaignState::Running,
            priority,
            waiting: 7,
            rate: None,
            daily: None,
            quotas: Vec::new(),
            is_held: false,
            why: String::new(),
        }
    }

    #[test]
    fn b4_f7_a_page_tells_who_goes_first_of_those_that_can_send() {
        let of = |campaigns: &[OnPage]| order(campaigns, ShareOptions::default());
        let bulk = on_page("news", Priority::Bulk);
        assert_eq!(of(std::slice::from_ref(&bulk)), None, "there is nobody to go before");
        let spring = on_page("spring", Priority::Normal);
        let held = OnPage { is_held: true, ..on_page("flash", Priority::Urgent) };
        let mut all = vec![bulk, spring, held];
        assert_eq!(
            of(&all).unwrap(),
            "First goes spring (normal), then news (bulk, which keeps 5 % of the page)."
        );
        all[2].is_held = false;
        all.extend(["a", "b", "c", "d", "e", "f"].map(|name| on_page(name, Priority::Normal)));
        assert_eq!(
            of(&all).unwrap(),
            "First goes flash (urgent), then spring, a, b, c, d and 2 more in equal parts (normal, which keeps 20 % of the \
             page), then news (bulk, which keeps 5 % of the page)."
        );
        let idle = OnPage { waiting: 0, ..on_page("done", Priority::Urgent) };
        assert_eq!(of(&[idle, on_page("x", Priority::Bulk)]), None);
    }
}
