//! What is in force and where each value came from; secrets never show.

use super::layers::Layers;
use crate::view::table::Table;
use serde_json::json;

/// A line a value: key, value, origin.
pub fn lines(layers: &Layers) -> Vec<String> {
    let mut table = Table::plain(3);
    for (key, value, origin) in layers.values() {
        let value = if is_secret(&key) { "***".to_owned() } else { value.to_string() };
        table.row([key, value, origin.to_string()]);
    }
    table.lines()
}

/// The same for programs.
pub fn json(layers: &Layers) -> serde_json::Value {
    let values = layers.values().into_iter().map(|(key, value, origin)| {
        let value = if is_secret(&key) { json!("***") } else { json!(value) };
        json!({ "key": key, "value": value, "origin": origin.to_string() })
    });
    values.collect()
}

fn is_secret(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    matches!(last, "token" | "app_secret" | "verify_token" | "control_token")
        || last.contains("password")
        || key.contains(".headers.")
        // librdkafka's own names: some of them are credentials, and new ones may come.
        || key.starts_with("kafka.properties.")
        || ["audience.s3.", "audience.google.", "audience.azure."].iter().any(|store| key.starts_with(store))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Origin;

    #[test]
    fn secrets_never_show() {
        let mut layers = Layers::defaults();
        for key in [
            "channels.whatsapp.token",
            "channels.http.headers.X-Key",
            "pages.1.token",
            "channels.whatsapp.app_secret",
            "kafka.sasl_password",
            "cql.password",
            "registry.password",
        ] {
            layers.set(key, "s3cret".into(), Origin::Default);
        }
        let shown = lines(&layers).join("\n") + &json(&layers).to_string();
        assert!(shown.contains("pages.1.token") && shown.contains("***"), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
