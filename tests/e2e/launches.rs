//! Launches and audiences that several tests use.

use serde_json::{Value, json};
use sluice_tests::Place;
use std::fmt::Write;

/// A generic HTTP campaign of `audience.csv`: who has no coupon fails by name.
pub(crate) fn http(campaign: &str) -> Value {
    json!({
        "campaign": campaign,
        "channel": "http",
        "pages": ["shop"],
        "audience": { "path": "audience.csv" },
        "message": { "http": { "body": { "to": "{{address}}", "text": "Hi {{first_name}}: {{coupon}}" } } },
    })
}

/// A WhatsApp campaign of `audience.csv`.
pub(crate) fn whatsapp(campaign: &str) -> Value {
    json!({
        "campaign": campaign,
        "channel": "whatsapp",
        "pages": ["106540352242922"],
        "audience": { "path": "audience.csv" },
        "message": { "template": {
            "name": "spring_sale", "language": "en_US",
            "components": [{ "type": "body", "parameters": [
                { "type": "text", "text": "{{first_name}}" }, { "type": "text", "text": "{{coupon}}" }
            ] }],
        } },
        "variables": {},
    })
}

/// Writes `audience.csv` for [`http`]: every `without`th person has no coupon (0: everybody has one).
pub(crate) fn addresses(place: &Place, people: usize, without: usize) {
    let mut text = String::from("address,first_name,coupon\n");
    for number in 0..people {
        let coupon = if without > 0 && number % without == 0 { "" } else { "SPRING10" };
        writeln!(text, "person{number:06}@example.com,N{number},{coupon}").unwrap();
    }
    place.write("audience.csv", text);
}

/// Writes `audience.csv` for [`whatsapp`].
pub(crate) fn phones(place: &Place, people: usize) {
    let mut text = String::from("customer_id,phone,whatsapp_opt_in,first_name,coupon\n");
    for number in 0..people {
        writeln!(text, "c{number},+55119876{number:05},true,N{number},SPRING10").unwrap();
    }
    place.write("audience.csv", text);
}

/// Copies a sample file to `audience.csv`.
pub(crate) fn sample(place: &Place, name: &str) {
    let path = format!("{}/data/{name}", env!("CARGO_MANIFEST_DIR"));
    place.write("audience.csv", std::fs::read(path).unwrap());
}
