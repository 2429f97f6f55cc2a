use sluice_engines::Registry;

use crate::http::call;

#[test]
fn a_killed_registry_comes_back_with_its_schemas() {
    let mut registry = Registry::start().unwrap();
    let url = registry.url();
    let answer = call(
        "POST",
        &format!("{url}/subjects/kept-value/versions"),
        r#"{"schema": "{\"type\": \"string\"}"}"#,
    )
    .unwrap();
    assert!(answer.contains("\"id\":"), "{answer}");

    registry.kill();
    assert!(call("GET", &format!("{url}/subjects"), "").is_err(), "a killed registry answers");
    registry.restart().unwrap();

    assert_eq!(registry.url(), url);
    let subjects = call("GET", &format!("{url}/subjects"), "").unwrap();
    assert!(subjects.contains("kept-value"), "{subjects}");
}
