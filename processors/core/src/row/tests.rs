use super::*;
use sluice_schemas::Channel;
use std::sync::Arc;

fn header(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn rules(channel: Channel, mapping: &[(&str, &str)]) -> ColumnRules {
    let mapping = mapping.iter().map(|(field, column)| ((*field).to_owned(), (*column).to_owned())).collect();
    let pages = vec!["p1".into(), "p2".into()];
    ColumnRules { channel, mapping, pages, keep: Keep::All, needed: Vec::new() }
}

/// `(text, ends)` of some cells.
fn row(cells: &[&str]) -> (String, Vec<u32>) {
    let mut ends = Vec::new();
    let mut text = String::new();
    for cell in cells {
        text.push_str(cell);
        ends.push(text.len() as u32);
    }
    (text, ends)
}

fn reason(columns: &Columns, cells: &[&str]) -> Option<(SkipReason, String)> {
    let (text, ends) = row(cells);
    match columns.decide(Cells::new(&text, &ends)) {
        Verdict::Valid(_) => None,
        Verdict::Skipped { reason, detail } => Some((reason, detail.into_owned())),
    }
}

#[test]
fn a_full_row_becomes_a_recipient_with_everything_in_its_place() {
    let header = header(&["customer_id", "name", "Phone", "opt_in", "time_zone", "page_id", "coupon"]);
    let columns = Columns::resolve(&header, &rules(Channel::Whatsapp, &[])).unwrap();
    let (text, ends) = row(&["c1", " Ana ", "+55 11 98765-4321", "YES", "america/sao_paulo", "p2", " X1 "]);
    let cells = Cells::new(&text, &ends);
    let Verdict::Valid(valid) = columns.decide(cells) else { panic!() };
    assert_eq!(valid.address, "+5511987654321");
    assert_eq!((valid.name, valid.customer_id, valid.page_id), (Some("Ana"), Some("c1"), Some("p2")));
    assert_eq!((valid.time_zone, valid.warning), (Some("America/Sao_Paulo"), None));
    let variables: Vec<_> = columns.variables(cells).map(|(name, value)| (&**name, value)).collect();
    assert_eq!(variables, [("Phone", "+55 11 98765-4321"), ("coupon", "X1")]);
    assert_eq!(columns.variable(cells, "coupon"), Some("X1"));
}

#[test]
fn a_message_about_a_column_that_is_not_there_is_refused_with_the_nearest_one() {
    let header = header(&["phone", "full name", "first_name", "coupon"]);
    let resolve = |needed: &[&str], mapping: &[(&str, &str)]| {
        let needed = needed.iter().map(|name| (*name).to_owned()).collect();
        Columns::resolve(&header, &ColumnRules { needed, ..rules(Channel::Whatsapp, mapping) })
    };
    assert!(resolve(&["coupon", "first_name", "address"], &[]).is_ok());
    assert!(resolve(&["name"], &[("name", "full name")]).is_ok());
    let error = resolve(&["coupon", "frist_name"], &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the message says {{frist_name}}, which is neither a column, perhaps `first_name` nor one of the launch's \
         variables; the columns are phone, full name, first_name, coupon"
    );
    assert!(resolve(&["name"], &[]).is_err(), "no column is the name");
}

#[test]
fn the_checks_come_in_their_order_and_each_says_why() {
    let header = header(&["phone", "whatsapp_opt_in", "opt_in", "opted_out", "page_id"]);
    let columns = Columns::resolve(&header, &rules(Channel::Whatsapp, &[])).unwrap();
    let good = "+5511987654321";
    assert_eq!(reason(&columns, &[good, "true", "1", "", ""]), None);
    let cases: [(&[&str], SkipReason, &str); 9] = [
        (&[good, "true"], SkipReason::MalformedRow, "2 cells where the header has 5"),
        (&["null", "no", "1", "true", ""], SkipReason::OptedOut, "opted out"),
        (&[good, "true", "1", "2024-03-01", ""], SkipReason::OptedOut, "opted out"),
        (&["null", "no", "1", "false", ""], SkipReason::NoOptIn, "`whatsapp_opt_in`"),
        (&[good, "true", "", "false", ""], SkipReason::NoOptIn, "`opt_in`"),
        (&[good, "maybe", "1", "no", ""], SkipReason::NoOptIn, "`whatsapp_opt_in`"),
        (&[" ", "true", "1", "0", ""], SkipReason::MissingAddress, "empty"),
        (&["0541234567", "true", "1", "null", ""], SkipReason::InvalidAddress, "no country code"),
        (&[good, "true", "1", "false", "p9"], SkipReason::UnknownPage, "`p9`"),
    ];
    for (cells, expected, detail) in cases {
        let (found, text) = reason(&columns, cells).unwrap();
        assert_eq!(found, expected, "{cells:?}");
        assert!(text.contains(detail), "{text}");
    }
}

#[test]
fn a_flag_of_another_channel_does_not_matter() {
    let header = header(&["psid", "has_messenger", "has_instagram"]);
    let columns = Columns::resolve(&header, &rules(Channel::Messenger, &[])).unwrap();
    assert_eq!(reason(&columns, &["24444529763028279", "true", "false"]), None);
}

#[test]
fn the_launch_can_name_other_columns() {
    let mapping = [("address", "cell phone"), ("opt_in", "agreed"), ("name", "Full Name")];
    let header = header(&["phone", "cell phone", "agreed", "opt_in", "Full Name", "name"]);
    let columns = Columns::resolve(&header, &rules(Channel::Whatsapp, &mapping)).unwrap();
    let (text, ends) = row(&["x", "+5511987654321", "yes", "no", "Ana S", "other"]);
    let Verdict::Valid(valid) = columns.decide(Cells::new(&text, &ends)) else { panic!() };
    assert_eq!(valid.name, Some("Ana S"));
    assert_eq!(columns.address_column(), Some("cell phone"));
}

#[test]
fn columns_that_cannot_work_are_refused_with_a_way_out() {
    let header = header(&["Telephone", "email"]);
    let error = |rules| Columns::resolve(&header, &rules).unwrap_err().to_string();
    let missing = error(rules(Channel::Whatsapp, &[]));
    assert!(missing.contains("phone, address"), "{missing}");
    assert!(missing.contains("Telephone, email"), "{missing}");
    assert!(missing.contains(r#""audience": {"columns": {"address": "..."}}"#), "{missing}");
    let absent = error(rules(Channel::Whatsapp, &[("address", "telefone")]));
    assert!(absent.contains("perhaps `Telephone`"), "{absent}");
    let unknown = error(rules(Channel::Whatsapp, &[("adress", "Telephone")]));
    assert!(unknown.contains("perhaps `address`"), "{unknown}");
}

#[test]
fn an_audience_without_rows_needs_no_columns() {
    let columns = Columns::of_nothing(&rules(Channel::Whatsapp, &[("address", "tel")])).unwrap();
    assert_eq!(columns.address_column(), None);
}

#[test]
fn a_decision_can_outlive_its_row() {
    let header = header(&["phone", "name", "time_zone", "coupon"]);
    let columns = Columns::resolve(&header, &rules(Channel::Whatsapp, &[])).unwrap();
    let ends = [14, 18, 31, 34];
    let cells = Cells::separated("+5511987654321,Ana,Mars/Olympus,X1", &ends);
    let RowDecision::Valid { address, name, time_zone, variables, warnings, .. } =
        columns.own(columns.decide(cells), cells)
    else {
        panic!()
    };
    assert_eq!((address.as_str(), name.as_deref(), time_zone), ("+5511987654321", Some("Ana"), None));
    assert_eq!(variables["coupon"], "X1");
    assert_eq!(warnings.len(), 1);
}

#[test]
fn an_unknown_time_zone_is_dropped_with_a_warning() {
    let header = header(&["phone", "time_zone"]);
    let columns = Columns::resolve(&header, &rules(Channel::Sms, &[])).unwrap();
    let (text, ends) = row(&["+5511987654321", "Mars/Olympus"]);
    let Verdict::Valid(valid) = columns.decide(Cells::new(&text, &ends)) else { panic!() };
    assert_eq!(valid.time_zone, None);
    let warning = valid.warning.unwrap();
    assert_eq!(warning.as_str(), "unknown_time_zone");
    assert!(warning.to_string().contains("Mars/Olympus"));
}

#[test]
fn b3_a_row_can_name_the_day_before_which_it_is_not_sent() {
    let good = "+5511987654321";
    for name in ["send_date", "Scheduled Send Date"] {
        let columns = Columns::resolve(&header(&["phone", name]), &rules(Channel::Whatsapp, &[])).unwrap();
        assert_eq!(columns.variable_names().map(|name| &**name).collect::<Vec<_>>(), ["phone"]);
        assert_eq!(columns.used(), [0, 1]);
        let decided = |cell: &str| {
            let (text, ends) = row(&[good, cell]);
            let cells = Cells::new(&text, &ends);
            columns.own(columns.decide(cells), cells)
        };
        let date = |cell: &str| match decided(cell) {
            RowDecision::Valid { send_date, .. } => send_date.map(|date| date.to_string()),
            RowDecision::Skipped { detail, .. } => panic!("{detail}"),
        };
        assert_eq!(date(" 2026-12-01 ").as_deref(), Some("2026-12-01"));
        for nothing in ["", " ", "null", "N/A"] {
            assert_eq!(date(nothing), None, "{nothing}");
        }
        for bad in ["01.12.2026", "2026-02-30", "2026-12-01T09:00", "tomorrow"] {
            let (found, detail) = reason(&columns, &[good, bad]).unwrap();
            assert_eq!(found, SkipReason::InvalidSendDate, "{bad}");
            assert!(detail.contains(bad) && detail.contains("2026-12-01"), "{detail}");
        }
    }
    let mapped = rules(Channel::Whatsapp, &[("send_date", "when")]);
    assert!(Columns::resolve(&header(&["phone", "when"]), &mapped).unwrap().send_date == Some(1));
}

#[test]
fn a_cell_over_the_limit_makes_the_row_malformed() {
    let header = header(&["phone", "note"]);
    let columns = Columns::resolve(&header, &rules(Channel::Sms, &[])).unwrap();
    let long = "x".repeat(CELL_BYTES_MAX + 1);
    let (reason, detail) = reason(&columns, &["+5511987654321", &long]).unwrap();
    assert_eq!(reason, SkipReason::MalformedRow);
    assert!(detail.contains("`note`"), "{detail}");
}

#[test]
fn only_the_variables_that_are_used_are_kept_when_asked_so() {
    let header = header(&["phone", "name", "coupon", "note"]);
    let mut rules = rules(Channel::Whatsapp, &[]);
    rules.keep = Keep::Only(vec!["coupon".into(), "phone".into(), "name".into()]);
    let columns = Columns::resolve(&header, &rules).unwrap();
    assert_eq!(columns.variable_names().map(|name| &**name).collect::<Vec<_>>(), ["phone", "coupon"]);
}

#[test]
fn a_recipients_own_value_wins_over_the_campaigns() {
    let map = |pairs: &[(&str, &str)]| -> StringMap {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let send = SendRequest {
        chunk: [0; 16].into(),
        index: 0,
        address: "+5511987654321".into(),
        name: None,
        customer_id: Some("c1".into()),
        time_zone: None,
        variables: map(&[("coupon", "OWN"), ("empty", "")]),
    };
    let campaign = map(&[("coupon", "ALL"), ("empty", "shared"), ("name", "friend")]);
    let value = |name| variable_of(&send, &campaign, name);
    assert_eq!(
        (value("coupon"), value("empty"), value("name")),
        (Some("OWN"), Some("shared"), Some("friend"))
    );
    assert_eq!((value("customer_id"), value("address")), (Some("c1"), Some("+5511987654321")));
    assert_eq!(value("other"), None);
}

#[test]
fn reasons_are_words_that_survive_serialising() {
    for reason in SkipReason::ALL {
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
    }
}
