use super::*;
use proptest::prelude::*;

type Wanted = (CampaignId, Priority, usize);

fn campaign(number: u8) -> CampaignId {
    CampaignId([number; 8])
}

fn shares() -> Shares {
    Shares::new(ShareOptions::default())
}

fn given(allotted: &[(CampaignId, usize)], number: u8) -> usize {
    allotted.iter().find(|(named, _)| *named == campaign(number)).map_or(0, |(_, given)| *given)
}

fn priorities() -> impl Strategy<Value = Priority> {
    prop::sample::select(&ORDER)
}

/// Rounds of (limit, candidates); a campaign keeps its priority.
fn rounds() -> impl Strategy<Value = Vec<(usize, Vec<Wanted>)>> {
    prop::collection::vec(priorities(), 1..12).prop_flat_map(|priorities| {
        let available =
            prop::collection::vec(prop_oneof![Just(0usize), 1usize..4, 1usize..200], priorities.len());
        let round = (0usize..60, available).prop_map(move |(limit, available)| {
            let named = priorities.iter().zip(available).enumerate();
            let wanted = named.map(|(at, (priority, available))| (campaign(at as u8), *priority, available));
            (limit, wanted.collect())
        });
        prop::collection::vec(round, 1..40)
    })
}

proptest! {
    #[test]
    fn b4_all_that_the_page_may_send_is_allotted_and_nobody_gets_more_than_they_have(rounds in rounds()) {
        let mut shares = shares();
        for (limit, candidates) in rounds {
            let allotted = shares.allot(&candidates, limit);
            let available: usize = candidates.iter().map(|(_, _, available)| available).sum();
            prop_assert_eq!(allotted.iter().map(|(_, given)| given).sum::<usize>(), limit.min(available));
            for (campaign, _, available) in &candidates {
                let given: Vec<usize> = allotted.iter().filter(|(named, _)| named == campaign).map(|(_, given)| *given).collect();
                prop_assert!(given.len() <= 1 && given.iter().all(|given| (1..=*available).contains(given)));
            }
        }
    }

    #[test]
    fn b4_bulk_and_normal_keep_their_share_over_long_runs(limits in prop::collection::vec(1usize..50, 50..300)) {
        let mut shares = shares();
        let candidates: Vec<Wanted> = ORDER.iter().enumerate().map(|(at, of)| (campaign(at as u8), *of, 1_000)).collect();
        let (mut total, mut sums) = (0, [0; 3]);
        for limit in limits {
            let allotted = shares.allot(&candidates, limit);
            total += limit;
            for (at, sum) in sums.iter_mut().enumerate() {
                *sum += given(&allotted, at as u8);
            }
            prop_assert!(sums[1] * 100 + 200 >= total * 20 && sums[1] * 100 <= total * 20 + 100);
            prop_assert!(sums[2] * 100 + 200 >= total * 5 && sums[2] * 100 <= total * 5 + 100);
        }
    }

    #[test]
    fn b4_campaigns_of_one_priority_get_equally_much(
        limits in prop::collection::vec(0usize..40, 1..200), joins in 0usize..200, of in priorities(), others in 1u8..6,
    ) {
        let mut shares = shares();
        let (mut since, mut late) = (vec![0usize; usize::from(others)], 0);
        for (round, limit) in limits.into_iter().enumerate() {
            let joined = round >= joins;
            let mut candidates: Vec<Wanted> = (0..others).map(|at| (campaign(at), of, 1_000)).collect();
            if joined {
                candidates.push((campaign(99), of, 1_000));
            }
            if round == joins {
                since.fill(0);
            }
            let allotted = shares.allot(&candidates, limit);
            since.iter_mut().zip(0u8..).for_each(|(sum, at)| *sum += given(&allotted, at));
            late += given(&allotted, 99);
            let (least, most) = (*since.iter().min().unwrap(), *since.iter().max().unwrap());
            prop_assert!(most - least <= if joined { 2 } else { 1 }, "{since:?}");
            prop_assert!(!joined || (late + 2 > least && late <= most + 2), "{since:?} {late}");
        }
    }

    #[test]
    fn b4_an_urgent_newcomer_has_its_first_send_in_the_first_allotment(rounds in rounds(), new in 1usize..4, more in 0usize..3) {
        let mut shares = shares();
        for (limit, candidates) in &rounds {
            shares.allot(candidates, *limit);
        }
        let mut candidates = rounds.last().unwrap().1.clone();
        candidates.extend((0..new).map(|at| (campaign(200 + at as u8), Priority::Urgent, 5)));
        // Campaigns of earlier rounds may arrive as well.
        let arrived = candidates.iter().filter(|(named, of, available)| {
            *of == Priority::Urgent && *available > 0 && shares.levels[0].queue.is_new(*named)
        }).count();
        let allotted = shares.allot(&candidates, arrived + more);
        for at in 0..new {
            prop_assert!(given(&allotted, 200 + at as u8) >= 1);
        }
    }
}

#[test]
fn b4_urgent_goes_first_and_what_is_left_goes_down() {
    let candidates = [
        (campaign(1), Priority::Bulk, 100),
        (campaign(2), Priority::Urgent, 30),
        (campaign(3), Priority::Normal, 100),
    ];
    let allotted = shares().allot(&candidates, 100);
    assert_eq!(allotted, [(campaign(2), 30), (campaign(3), 65), (campaign(1), 5)]);
    let urgent_alone = shares().allot(&candidates[1..2], 20);
    assert_eq!(urgent_alone, [(campaign(2), 20)]);
}

#[test]
fn b4_one_slot_at_a_time_is_shared_like_many() {
    let mut shares = shares();
    let candidates: Vec<Wanted> = (0u8..4)
        .map(|at| {
            (
                campaign(at),
                [Priority::Urgent, Priority::Normal, Priority::Bulk, Priority::Urgent][usize::from(at)],
                9,
            )
        })
        .collect();
    let mut sums = [0; 4];
    for _ in 0..2_000 {
        let allotted = shares.allot(&candidates, 1);
        (0u8..4).for_each(|at| sums[usize::from(at)] += given(&allotted, at));
    }
    // Both urgent campaigns were new once.
    assert_eq!(sums, [751, 399, 100, 750]);
}

#[test]
fn b4_who_is_limited_by_something_else_saves_nothing_up() {
    let mut shares = shares();
    let round = |a: usize, b: usize| [(campaign(1), Priority::Normal, a), (campaign(2), Priority::Normal, b)];
    for _ in 0..100 {
        assert_eq!(shares.allot(&round(1, 1_000), 20).len(), 2);
    }
    for _ in 0..50 {
        assert_eq!(shares.allot(&round(0, 1_000), 20), [(campaign(2), 20)]);
    }
    let allotted = shares.allot(&round(1_000, 1_000), 20);
    assert_eq!((given(&allotted, 1), given(&allotted, 2)), (10, 10));
}

#[test]
fn b4_who_is_there_now_and_then_gets_turns_whatever_its_name() {
    for (always, at_times) in [(1, 2), (2, 1)] {
        let mut shares = shares();
        let mut sums = [0; 2];
        for round in 0..100u8 {
            let available = usize::from(round % 2);
            let candidates =
                [(campaign(always), Priority::Normal, 1), (campaign(at_times), Priority::Normal, available)];
            let allotted = shares.allot(&candidates, 1);
            sums[0] += given(&allotted, always);
            sums[1] += given(&allotted, at_times);
        }
        assert!(sums[1] >= 25 && sums[0] + sums[1] == 100, "half of those that it is there for: {sums:?}");
    }
}

#[test]
fn b4_campaigns_that_come_and_go_are_not_new_each_time() {
    let mut shares = shares();
    let bulk = (campaign(9), Priority::Bulk, 1_000);
    let mut sent = 0;
    for round in 0..1_000u32 {
        let urgent = (campaign((round % 2) as u8), Priority::Urgent, 1_000);
        sent += given(&shares.allot(&[urgent, bulk], 1), 9);
    }
    assert_eq!(sent, 50, "two urgent campaigns that alternate do not starve bulk");
}

#[test]
fn memory_does_not_grow_with_the_number_of_campaigns() {
    let mut shares = shares();
    for number in 0..10_000u64 {
        shares.allot(&[(CampaignId(number.to_be_bytes()), Priority::Normal, 1)], 1);
    }
    assert!(shares.levels[1].queue.turns.len() <= REMEMBERED_MAX + 1);
}
