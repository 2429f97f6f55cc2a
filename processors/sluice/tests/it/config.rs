//! The configuration: layers, origins, unknown keys.

use crate::support::{Place, object};

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_name() {
    let place = Place::new();
    place.write("sluice.toml", "[channels.whatsapp]\ntokn = \"x\"\n");
    let said = place.run(&["config", "show"]);
    assert_eq!(said.exit, 2);
    assert!(said.err.contains("`channels.whatsapp.tokn`"), "{said:?}");
    assert!(said.err.contains("perhaps `channels.whatsapp.token` is meant"), "{said:?}");
}

#[test]
fn a_bad_rate_is_named_with_its_key_and_its_file() {
    let place = Place::new();
    place.write("own.toml", "[pages.\"1065\"]\nrate = \"80 per second\"\n");
    let said = place.run(&["config", "show", "--config", "own.toml"]);
    assert_eq!(said.exit, 2);
    assert!(
        said.err.contains("pages.1065.rate") && said.err.contains("80/s") && said.err.contains("own.toml"),
        "{said:?}"
    );
}

#[test]
fn g1_a_call_may_not_last_until_its_recipient_may_be_called_again() {
    let place = Place::new();
    let show = |text: &str| {
        place.write("sluice.toml", text);
        place.run(&["config", "show"])
    };
    let refused = show("[channels.http]\ntimeout_ms = 30001\n");
    assert_eq!(refused.exit, 2, "{refused:?}");
    for part in
        ["channels.http.timeout_ms is 30,001, at most 30,000", "receipts.resend_wait_ms raised to 63,001"]
    {
        assert!(refused.err.contains(part), "{part}: {refused:?}");
    }
    let refused = show("[pages.7]\ntimeout_ms = 18446744073709551\n");
    assert!(refused.exit == 2 && refused.err.contains("pages.7.timeout_ms"), "{refused:?}");
    assert_eq!(show("[channels.http]\ntimeout_ms = 30000\n[receipts]\nresend_wait_ms = 1000\n").exit, 0);
    assert_eq!(show("[channels.http]\ntimeout_ms = 90000\n[receipts]\nresend_wait_ms = 123000\n").exit, 0);
}

#[test]
fn b3_a_limit_of_the_day_is_a_rate_of_a_day_and_may_come_from_the_environment() {
    let place = Place::new();
    place.write("sluice.toml", "[pages.\"1065\"]\ndaily = \"80/s\"\n");
    let said = place.run(&["config", "show"]);
    assert_eq!(said.exit, 2);
    assert!(said.err.contains("pages.1065.daily: '80/s'") && said.err.contains("1000/day"), "{said:?}");
    place.write("sluice.toml", "[pages.\"1065\"]\ndaily = \"1,000/day\"\n");
    let environment = [("SLUICE_MESSENGER_DAILY", "5000/day"), ("SLUICE_PAGE_7_DAILY", "10/day")];
    let said = place.run_with(&["config", "show", "--json"], &environment);
    assert_eq!(said.exit, 0, "{said:?}");
    for (key, value) in
        [("pages.1065", "1,000/day"), ("channels.messenger", "5000/day"), ("pages.7", "10/day")]
    {
        let shown = object(&said.out)
            .as_array()
            .unwrap()
            .iter()
            .any(|entry| entry["key"] == format!("{key}.daily") && entry["value"] == value);
        assert!(shown, "{key}: {said:?}");
    }
}

#[test]
fn each_value_comes_from_the_last_place_that_names_it_and_secrets_do_not_show() {
    let place = Place::new();
    place.write(
        "sluice.toml",
        "data_dir = \"from-file\"\n[channels.whatsapp]\ntoken = \"s3cret\"\nrate = \"10/s\"\n",
    );
    let environment = [("SLUICE_WHATSAPP_RATE", "20/s"), ("SLUICE_DATA_DIR", "from-environment")];
    let said = place.run_with(&["config", "show", "--json", "--data-dir", "from-flag"], &environment);
    assert_eq!(said.exit, 0, "{said:?}");
    assert!(!said.out.contains("s3cret"), "{said:?}");
    let all = object(&said.out);
    let find = |key: &str| all.as_array().unwrap().iter().find(|entry| entry["key"] == key).unwrap().clone();
    assert_eq!(
        (&find("data_dir")["value"], &find("data_dir")["origin"]),
        (&"from-flag".into(), &"--data-dir".into())
    );
    let rate = find("channels.whatsapp.rate");
    assert_eq!(
        (&rate["value"], &rate["origin"]),
        (&"20/s".into(), &"environment SLUICE_WHATSAPP_RATE".into())
    );
    let token = find("channels.whatsapp.token");
    assert_eq!((&token["value"], &token["origin"]), (&"***".into(), &"sluice.toml".into()));
    assert_eq!(find("sender.in_flight_max")["origin"], "default");
}

#[test]
fn limits_that_can_not_work_are_refused_by_name() {
    let place = Place::new();
    place.write("sluice.toml", "[sender]\nin_flight_max = 0\n");
    let said = place.run(&["config", "show"]);
    assert_eq!(said.exit, 2);
    assert!(said.err.contains("sender.in_flight_max must be at least 1"), "{said:?}");
}

#[test]
fn g4_a_quota_names_its_limits_and_its_members_and_a_wrong_one_is_named() {
    let place = Place::new();
    let fine =
        "[quotas.acme]\nrate = \"100/s\"\ndaily = \"1,000/day\"\ntenants = [\"acme\"]\npages = [\"1065\"]\n";
    place.write("sluice.toml", fine);
    let said = place.run(&["config", "show", "--json"]);
    assert_eq!(said.exit, 0, "{said:?}");
    let all = object(&said.out);
    let find = |key: &str| all.as_array().unwrap().iter().find(|entry| entry["key"] == key).unwrap().clone();
    assert_eq!(find("quotas.acme.rate")["value"], "100/s");
    let wrong = [
        ("rate = \"100/s\"", "quotas.acme.pages or tenants has to name at least one"),
        ("tenants = [\"acme\"]", "quotas.acme.rate or daily is needed"),
        ("rate = \"fast\"\ntenants = [\"acme\"]", "quotas.acme.rate: 'fast' is not a rate"),
        ("daily = \"5/s\"\ntenants = [\"acme\"]", "quotas.acme.daily: '5/s' is not a limit of a day"),
        ("tenant = [\"acme\"]", "perhaps `quotas.acme.tenants` is meant"),
    ];
    for (text, reason) in wrong {
        place.write("sluice.toml", &format!("[quotas.acme]\n{text}\n"));
        let said = place.run(&["config", "show"]);
        assert_eq!(said.exit, 2);
        assert!(said.err.contains(reason), "{text}: {said:?}");
    }
    place.write("sluice.toml", &format!("{fine}[sender]\nahead_ms = 100\n"));
    let said = place.run(&["config", "show"]);
    assert_eq!(said.exit, 2);
    assert!(said.err.contains("sender.ahead_ms is 100, possible is at most 89 with quotas.acme"), "{said:?}");
}
