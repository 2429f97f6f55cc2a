//! Exit codes 0 and 2, help.

use crate::support::Place;

#[test]
fn help_is_no_error_and_shows_examples() {
    let place = Place::new();
    for arguments in
        [&["--help"][..], &["send", "--help"], &["campaign", "check", "--help"], &["verify", "--help"]]
    {
        let said = place.run(arguments);
        assert_eq!(said.exit, 0, "{said:?}");
        assert!(said.out.contains("sluice"), "{said:?}");
    }
    assert!(place.run(&["send", "--help"]).out.contains("Exit codes"), "the exit codes are documented");
}

#[test]
fn what_the_command_line_does_not_know_exits_with_2() {
    let place = Place::new();
    for arguments in [&[][..], &["sned"], &["send"], &["verify"], &["send", "x.json", "--fast"]] {
        let said = place.run(arguments);
        assert_eq!(said.exit, 2, "{arguments:?}: {said:?}");
    }
}

#[test]
fn a_launch_that_is_none_exits_with_2_and_says_where_and_what_to_do() {
    let place = Place::new();
    let said = place.run(&["send", "nowhere.json"]);
    assert_eq!(said.exit, 2);
    assert!(said.err.contains("cannot read the launch nowhere.json"), "{said:?}");

    place.write("broken.json", "{ \"campaign\": \"x\", ");
    let said = place.run(&["send", "broken.json"]);
    assert_eq!(said.exit, 2);
    assert!(said.err.contains("line 1") && said.err.contains("not closed"), "{said:?}");

    place.write("unknown.json", r#"{"campaign":"x","chanel":"http"}"#);
    let said = place.run(&["campaign", "check", "unknown.json"]);
    assert_eq!(said.exit, 2);
    assert!(said.err.contains("chanel") && said.err.contains("perhaps `channel` is meant"), "{said:?}");
}

#[test]
fn every_mistake_of_a_launch_is_told_at_once() {
    let place = Place::new();
    let launch = r#"{"campaign":"Spring Sale","channel":"http","pages":[],"audience":{"path":"a.csv"},
                     "message":{"http":{"body":{"to":"{{address}}"}}},"rate":"fast"}"#;
    place.write("wrong.json", launch);
    let said = place.run(&["send", "wrong.json"]);
    assert_eq!(said.exit, 2);
    for part in ["3 mistakes", "campaign:", "pages:", "rate:", "10/min"] {
        assert!(said.err.contains(part), "{part}: {said:?}");
    }
}

#[test]
fn errors_for_programs_are_one_json_line_on_stderr() {
    let place = Place::new();
    let said = place.run(&["verify", "x", "--json"]);
    assert_eq!((said.exit, said.out.as_str()), (3, ""));
    let error = &crate::support::object(&said.err)["error"];
    assert_eq!(error["code"], "no_data");
    assert!(error["actionable"].as_str().is_some_and(|text| text.contains("--data-dir")), "{error}");
}
