//! Each row of the error tables means what its class means, and no documented code is missing.

use serde_json::json;
use sluice_core::retry::GrowingWait;
use sluice_core::throttle::HoldReason;
use sluice_providers::classes::{Class, ErrorRow, Scope};
use sluice_providers::instagram::response::InstagramAnswers;
use sluice_providers::messenger::response::MessengerAnswers;
use sluice_providers::whatsapp::response::WhatsappAnswers;
use sluice_providers::{messenger, whatsapp};
use sluice_runtime::ports::caller::{Answer, AnswerRules, CallResult, Concerns};
use std::time::Duration;

/// HTTP statuses that errors come with. They are not to be relied on: whatever it is, the code decides.
const STATUSES: [u16; 5] = [400, 401, 403, 429, 500];

/// WhatsApp's codes by class, as documented; `a-b` is a range. A throttle names whom it slows down.
const WHATSAPP: &[(&str, &str)] = &[
    (
        "account",
        "0 3 10 33 190 200-299 368 131005 131031 131037 131042 131044 131045 131048 131064 133000 133005 133006 \
                 133008 133009 133010 133015 133016 134011 134102 1752041 2388019",
    ),
    ("transient", "1 2 131000 131016 133004 134101"),
    // The sender's number, its account or the app. In maintenance everybody's message is refused, for a minute.
    ("throttle_page", "4 613 80007 80008 130429 131057 2494100"),
    ("throttle_recipient", "131049"),
    ("throttle_pair", "131056"),
    ("throttle_template", "132069"),
    (
        "permanent_campaign",
        "100 131008 131009 131051 131053 131055 131061 131063 132000 132001 132007 132008 132012 \
                            132018 134100 135000 2388040 2388047 2388072 2388073 2388293 2388299",
    ),
    // 130497 concerns one country's recipients: each fails, the page goes on.
    (
        "permanent_recipient",
        "130403 130472 130497 131021 131026 131030 131043 131047 131052 131060 131062 132005 137000",
    ),
    // Who is left waits until the template is taken again, or the campaign is cancelled.
    ("template", "132015 132016 132068"),
    ("opt_out", "131050"),
    ("foreign", "131020 131041 131059 131200-131299 138000-138099 139000-139099 139100-139109"),
];

/// Messenger's and Instagram's codes by class, as documented; `a/b` is a subcode.
const MESSENGER: &[(&str, &str)] = &[
    (
        "account",
        "1/99 2/2018344 10 10/1893063 10/1404170 10/2534077 100/33 100/2534013 100/2534029 100/2534037 190 \
                 200 200/2018021 200/2018027 200/2018028 200/2534041 2022",
    ),
    ("transient", "2 100/2018008 100/2018294 1200 2018300 2018321 2018171"),
    ("throttle_page", "4 4/2018022 9/2018352 32 80001 80006 80002 613 613/2534040"),
    // One person's token, and tags towards one person.
    ("throttle_recipient", "4/2018354 613/2018338"),
    (
        "permanent_campaign",
        "100 100/2018047 100/2018074 100/2018109 100/2018164 100/2018320 100/2018328 100/2534015 \
                            100/2534025",
    ),
    (
        "permanent_recipient",
        "10/2018278 10/2534022 10/2018065 10/2018108 10/2018336 100/2018001 100/2534014 \
                             200/1545041 551 551/1545041 613/1893016 9000001",
    ),
    ("opt_out", "10/1893015"),
    ("may_be_sent", "1/1357046"),
];

fn body(code: u32, subcode: Option<u32>) -> Vec<u8> {
    let error = json!({
        "message": "(#1) Something", "type": "OAuthException", "code": code, "error_subcode": subcode,
        "error_data": {"messaging_product": "whatsapp", "details": "more about it"}, "fbtrace_id": "A",
    });
    json!({ "error": error }).to_string().into_bytes()
}

fn classify(rules: &dyn AnswerRules, status: u16, body: &[u8]) -> CallResult {
    rules.classify(&Answer { status, headers: &[], body })
}

fn check_row(rules: &dyn AnswerRules, row: &ErrorRow, code: u32) {
    for status in STATUSES {
        let result = classify(rules, status, &body(code, row.subcode));
        let wait = (row.wait_s > 0).then(|| Duration::from_secs(u64::from(row.wait_s)));
        let growing = wait.filter(|_| row.wait_times > 1);
        let growing = growing.map(|first| GrowingWait { first, times: row.wait_times });
        let name = match row.subcode {
            Some(subcode) => format!("{code}/{subcode}"),
            None => code.to_string(),
        };
        match (row.class, &result) {
            (Class::PermanentRecipient | Class::PermanentCampaign, CallResult::Failed(failure)) => {
                assert!(!failure.transient && !failure.opted_out, "{row:?}");
                assert_eq!(failure.code, name);
                let is_campaign = row.class == Class::PermanentCampaign;
                assert_eq!(failure.concerns == Concerns::Campaign, is_campaign, "{row:?}");
            }
            (
                Class::Template,
                CallResult::Refused { reason: HoldReason::Template(detail), retry_after: None },
            ) => assert!(detail.starts_with(&name), "{detail}"),
            (Class::OptOut, CallResult::Failed(failure)) => {
                assert!(!failure.transient && failure.opted_out, "{row:?}");
            }
            (Class::Transient, CallResult::Failed(failure)) => {
                assert!(failure.transient, "{row:?}");
                assert_eq!((failure.attempts_max, failure.retry_after), (row.attempts_max, wait), "{row:?}");
            }
            (Class::Foreign, CallResult::Failed(failure)) => {
                assert!(failure.transient && failure.attempts_max == 3, "{row:?}");
            }
            (
                Class::Throttle(Scope::Page),
                CallResult::Refused { reason: HoldReason::Throttled(detail), retry_after },
            ) => {
                assert_eq!(*retry_after, wait);
                assert!(detail.starts_with(&name) && detail.contains("more about it"), "{detail}");
            }
            (Class::Throttle(scope), CallResult::Failed(failure)) => {
                assert_ne!(scope, Scope::Page, "{row:?}");
                assert_eq!(failure.transient, row.attempts_max != 1, "{row:?}");
                assert_eq!(failure.retry_after, wait.filter(|_| failure.transient), "{row:?}");
                assert_eq!(failure.growing_wait, growing, "{row:?}");
            }
            (Class::Account, CallResult::Refused { reason: HoldReason::Account(_), retry_after }) => {
                assert_eq!(*retry_after, wait);
            }
            (Class::MaySent, CallResult::Unknown { .. }) => {}
            _ => panic!("{row:?} became {result:?}"),
        }
    }
}

#[test]
fn c4_every_row_of_the_tables_is_classified_as_its_class() {
    for row in whatsapp::errors::TABLE {
        check_row(&WhatsappAnswers, row, row.code);
        check_row(&WhatsappAnswers, row, row.code_last);
    }
    for row in messenger::errors::TABLE {
        for rules in [&MessengerAnswers as &dyn AnswerRules, &InstagramAnswers] {
            check_row(rules, row, row.code);
            check_row(rules, row, row.code_last);
        }
    }
}

/// The sheet's word for a class.
fn word(class: Class) -> &'static str {
    match class {
        Class::Throttle(Scope::Page) => "throttle_page",
        Class::Throttle(Scope::Template) => "throttle_template",
        Class::Throttle(Scope::Pair) => "throttle_pair",
        Class::Throttle(Scope::Recipient) => "throttle_recipient",
        other => other.as_str(),
    }
}

/// Who waits after an answer.
fn held_up(result: &CallResult) -> &'static str {
    match result {
        CallResult::Refused { reason: HoldReason::Throttled(_), .. } => "page",
        CallResult::Refused { reason: HoldReason::Account(_), .. } => "account",
        CallResult::Refused { reason: HoldReason::Template(_), .. } => "template",
        CallResult::Failed(_) => "recipient",
        _ => "nobody",
    }
}

#[test]
fn b6_c2_every_documented_code_holds_up_whom_the_sheet_names_and_nobody_else() {
    let rules: [&dyn AnswerRules; 3] = [&WhatsappAnswers, &MessengerAnswers, &InstagramAnswers];
    for (rules, sheet) in rules.into_iter().zip([WHATSAPP, MESSENGER, MESSENGER]) {
        for (first, last, subcode, class) in documented(sheet) {
            let expected = match class {
                "throttle_page" => "page",
                "account" | "template" => class,
                "may_be_sent" => "nobody",
                _ => "recipient",
            };
            for (code, status) in [first, last].into_iter().flat_map(|code| STATUSES.map(|of| (code, of))) {
                let result = classify(rules, status, &body(code, subcode));
                assert_eq!(held_up(&result), expected, "{code} {subcode:?}, {class}: {result:?}");
            }
        }
    }
}

#[test]
fn b6_c2_a_limit_of_one_person_is_waited_for_as_long_as_is_documented_or_not_tried_again() {
    let hour = 3_600;
    let (whatsapp, messenger): (&dyn AnswerRules, &dyn AnswerRules) = (&WhatsappAnswers, &MessengerAnswers);
    let cases = [
        // Early repeats block that person for up to another day.
        (whatsapp, 131_049, None, None),
        (whatsapp, 132_069, None, Some(hour)),
        (messenger, 4, Some(2_018_354), Some(12 * hour)),
        (messenger, 613, Some(2_018_338), None),
    ];
    for (rules, code, subcode, wait_s) in cases {
        let result = classify(rules, 400, &body(code, subcode));
        let CallResult::Failed(failure) = &result else { panic!("{code} {subcode:?}: {result:?}") };
        let again = failure.transient && failure.attempts_max != 1;
        assert_eq!(
            (again, failure.retry_after),
            (wait_s.is_some(), wait_s.map(Duration::from_secs)),
            "{code}"
        );
    }
}

#[test]
fn b6_c2_a_number_that_can_be_used_by_nobody_holds_its_page_for_as_long_as_is_documented() {
    let minute = Duration::from_secs(60);
    for code in [131_057, 2_494_100] {
        let CallResult::Refused { reason, retry_after } = classify(&WhatsappAnswers, 400, &body(code, None))
        else {
            panic!("{code}")
        };
        assert_eq!((reason.as_str(), retry_after), ("throttled", Some(minute)), "{code}");
    }
    // Hours or days, and not by itself: somebody has to act.
    let CallResult::Refused { reason, retry_after } = classify(&WhatsappAnswers, 400, &body(131_048, None))
    else {
        panic!()
    };
    assert!(reason.needs_a_person() && retry_after == Some(60 * minute), "{reason:?} {retry_after:?}");
}

#[test]
fn b6_c2_a_warning_of_abuse_slows_the_page_and_fails_the_person_it_is_about() {
    let slows = |subcode| match classify(&MessengerAnswers, 400, &body(613, subcode)) {
        CallResult::Failed(failure) => Some((failure.concerns == Concerns::Page, failure.transient)),
        _ => None,
    };
    assert_eq!(slows(Some(2_018_338)), Some((true, false)));
    assert_eq!(slows(Some(1_893_016)), Some((false, false)));
    let rows = || whatsapp::errors::TABLE.iter().chain(messenger::errors::TABLE);
    assert_eq!(rows().filter(|row| row.slows_page).count(), 1);
}

#[test]
fn b6_c2_a_limit_of_a_pair_is_waited_for_longer_with_each_attempt() {
    let CallResult::Failed(failure) = classify(&WhatsappAnswers, 400, &body(131_056, None)) else { panic!() };
    let longest = Duration::from_secs(600);
    let growing = failure.growing_wait.unwrap();
    let waits = [1, 2, 3, 4].map(|attempt| growing.after(attempt, longest).as_secs());
    assert_eq!((failure.transient, failure.attempts_max, waits), (true, 0, [4, 16, 64, 256]));
    // What the answer itself asks for is kept beside it.
    let headers = [("retry-after", "30")];
    let body = body(131_056, None);
    let asked = Answer { status: 400, headers: &headers, body: &body };
    let CallResult::Failed(asked) = WhatsappAnswers.classify(&asked) else { panic!() };
    assert_eq!((asked.retry_after, asked.growing_wait), (Some(Duration::from_secs(30)), Some(growing)));
}

fn documented(sheet: &'static [(&'static str, &'static str)]) -> Vec<(u32, u32, Option<u32>, &'static str)> {
    let mut rows = Vec::new();
    for (class, codes) in sheet {
        for code in codes.split_whitespace() {
            let (range, subcode) = match code.split_once('/') {
                Some((code, subcode)) => (code, Some(subcode.parse().unwrap())),
                None => (code, None),
            };
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            rows.push((first.parse().unwrap(), last.parse().unwrap(), subcode, *class));
        }
    }
    rows
}

#[test]
fn no_documented_code_is_missing_and_each_has_its_documented_class() {
    for (table, sheet) in [(whatsapp::errors::TABLE, WHATSAPP), (messenger::errors::TABLE, MESSENGER)] {
        for (first, last, subcode, class) in documented(sheet) {
            let row =
                table.iter().find(|row| row.code <= first && last <= row.code_last && row.subcode == subcode);
            assert_eq!(row.map(|row| word(row.class)), Some(class), "{first} {subcode:?}");
        }
    }
    // WhatsApp's table holds nothing else.
    assert_eq!(whatsapp::errors::TABLE.len(), documented(WHATSAPP).len());
}

#[test]
fn no_code_has_two_rows() {
    for table in [whatsapp::errors::TABLE, messenger::errors::TABLE] {
        for (at, row) in table.iter().enumerate() {
            for other in &table[at + 1..] {
                let overlap = row.code <= other.code_last && other.code <= row.code_last;
                assert!(!overlap || row.subcode != other.subcode, "{row:?} {other:?}");
            }
        }
    }
}

#[test]
fn a_subcode_without_a_row_falls_back_to_its_code() {
    let result = classify(&MessengerAnswers, 400, &body(10, Some(999)));
    assert!(matches!(result, CallResult::Refused { reason: HoldReason::Account(_), .. }), "{result:?}");
    let result = classify(&WhatsappAnswers, 400, &body(130_429, Some(2_494_055)));
    assert!(matches!(result, CallResult::Refused { reason: HoldReason::Throttled(_), .. }), "{result:?}");
}

#[test]
fn an_unknown_code_is_tried_twice_more() {
    for rules in [&WhatsappAnswers as &dyn AnswerRules, &MessengerAnswers, &InstagramAnswers] {
        let CallResult::Failed(failure) = classify(rules, 400, &body(987_654, None)) else { panic!() };
        assert!(failure.transient);
        assert_eq!((failure.attempts_max, failure.code.as_str()), (3, "987654"));
    }
}
