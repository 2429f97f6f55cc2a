//! Which time zones exist: asked once a row, so answered from a table.

use jiff::tz::TimeZone;
use std::collections::HashMap;
use std::sync::OnceLock;

/// The IANA name as the time zone database writes it, whatever its case in `name`; `None` if there is no
/// such zone. The database is compiled in, so the answer is the same everywhere.
pub fn known_zone(name: &str) -> Option<&'static str> {
    static ZONES: OnceLock<HashMap<&'static str, &'static str>> = OnceLock::new();
    let zones = ZONES.get_or_init(|| {
        let mut zones = HashMap::new();
        for zone in jiff::tz::db().available() {
            let canonical: &'static str = String::from(zone.as_str()).leak();
            let lower: &'static str = canonical.to_ascii_lowercase().leak();
            zones.insert(canonical, canonical);
            zones.insert(lower, canonical);
        }
        zones
    });
    if let Some(canonical) = zones.get(name) {
        return Some(canonical);
    }
    // Longer than any name: not worth a copy.
    if name.len() > 64 || !name.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    zones.get(name.to_ascii_lowercase().as_str()).copied()
}

/// The rules of a zone by its IANA name, whatever its case.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    jiff::tz::db().get(known_zone(name)?).ok()
}

/// All names, for hints.
pub(crate) fn names() -> impl Iterator<Item = String> {
    jiff::tz::db().available().map(|zone| zone.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::known_zone;

    #[test]
    fn zones_are_known_by_their_iana_name_in_any_case() {
        assert_eq!(known_zone("America/Sao_Paulo"), Some("America/Sao_Paulo"));
        assert_eq!(known_zone("AMERICA/sao_paulo"), Some("America/Sao_Paulo"));
        assert_eq!(known_zone("UTC"), Some("UTC"));
        for unknown in ["Mars/Olympus", "", "+03:00", "America/Sao Paulo"] {
            assert_eq!(known_zone(unknown), None, "{unknown}");
        }
    }
}
