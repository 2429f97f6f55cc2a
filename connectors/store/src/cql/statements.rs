//! Every statement, prepared once.

use super::error::CqlError;
use super::session::Connected;
use scylla::statement::prepared::PreparedStatement;

/// How a statement is run.
#[derive(Clone, Copy)]
enum Kind {
    /// Plain, idempotent.
    Plain,
    /// Plain, idempotent, with few rows a page since they are large.
    Large,
    /// A read of tables under LWT that decides something.
    Serial,
    /// A conditional write.
    Conditional,
}

/// Rows of up to a block of recipients each.
const LARGE_ROWS_PER_PAGE: i32 = 16;

macro_rules! statements {
    ($($name:ident: $kind:ident = $text:expr;)*) => {
        /// The prepared statements, by name.
        pub(crate) struct Statements {
            $(pub(crate) $name: PreparedStatement,)*
        }

        /// As they stand here.
        #[cfg(test)]
        const TEXTS: &[&str] = &[$($text),*];

        impl Statements {
            /// Prepares all in a keyspace whose schema is this program's.
            pub(crate) async fn prepare(connected: &Connected, keyspace: &str) -> Result<Self, CqlError> {
                Ok(Self {
                    $($name: prepare(connected, Kind::$kind, &$text.replace("{ks}", &format!("\"{keyspace}\""))).await?,)*
                })
            }
        }
    };
}

statements! {
    campaign_create: Conditional = "INSERT INTO {ks}.campaigns (id, number, chunk, version, exp_epoch, nonces, body) \
        VALUES (?, -1, 0x00, 0, ?, ?, ?) IF NOT EXISTS";
    campaign_read: Serial = "SELECT version, nonces, body FROM {ks}.campaigns WHERE id = ? AND number = -1 AND chunk = 0x00";
    campaign_change: Conditional = "UPDATE {ks}.campaigns SET version = ?, exp_epoch = ?, nonces = ?, body = ? \
        WHERE id = ? AND number = -1 AND chunk = 0x00 IF version = ?";
    campaign_list: Plain = "SELECT number, body FROM {ks}.campaigns PER PARTITION LIMIT 1";
    epoch_read: Serial = "SELECT exp_epoch FROM {ks}.campaigns WHERE id = ? AND number = -1 AND chunk = 0x00";
    epoch_hold: Conditional = "UPDATE {ks}.campaigns SET exp_epoch = ? WHERE id = ? AND number = -1 AND chunk = 0x00 IF exp_epoch = ?";
    chunk_commit: Conditional = "INSERT INTO {ks}.campaigns (id, number, chunk, body) VALUES (?, ?, ?, ?) IF NOT EXISTS";
    chunk_read: Serial = "SELECT body FROM {ks}.campaigns WHERE id = ? AND number = ? AND chunk = ?";
    chunk_list: Serial = "SELECT body FROM {ks}.campaigns WHERE id = ? AND number >= 0";
    chunk_names: Plain = "SELECT chunk FROM {ks}.campaigns WHERE id = ? AND number >= 0";

    open_add: Plain = "INSERT INTO {ks}.open_campaigns (bucket, id, run) VALUES (?, ?, ?)";
    open_remove: Plain = "DELETE FROM {ks}.open_campaigns WHERE bucket = ? AND id = ? AND run = ?";
    open_list: Plain = "SELECT id, run FROM {ks}.open_campaigns WHERE bucket = ?";

    ledger_create: Conditional = "INSERT INTO {ks}.page_ledger (page, epoch, seq, control, owned, owner, nonce, former, body) \
        VALUES (?, 0, 0, 0, false, '', 0x00, 0x00, ?) IF NOT EXISTS";
    ledger_read: Serial = "SELECT epoch, seq, control, owned, owner, nonce, former, body FROM {ks}.page_ledger WHERE page = ?";
    ledger_take: Conditional = "UPDATE {ks}.page_ledger SET epoch = ?, seq = ?, owned = true, owner = ?, nonce = ?, former = ? \
        WHERE page = ? IF epoch = ? AND seq = ? AND control = ?";
    ledger_grant: Conditional = "UPDATE {ks}.page_ledger SET seq = ?, nonce = ?, body = ? \
        WHERE page = ? IF epoch = ? AND seq = ? AND control = ? AND owned = true";
    ledger_release: Conditional = "UPDATE {ks}.page_ledger SET seq = ?, nonce = ?, body = ?, owned = false, owner = '' \
        WHERE page = ? IF epoch = ? AND seq = ? AND owned = true";
    ledger_command: Conditional = "UPDATE {ks}.page_ledger SET control = ? WHERE page = ? IF control = ?";

    quota_create: Conditional = "INSERT INTO {ks}.quotas (scope, version, writer, body) VALUES (?, 0, '', ?) IF NOT EXISTS";
    quota_read: Serial = "SELECT version, writer, body FROM {ks}.quotas WHERE scope = ?";
    quota_lease: Conditional = "UPDATE {ks}.quotas SET version = ?, writer = ?, body = ? WHERE scope = ? IF version = ?";

    recipients_write: Plain = "INSERT INTO {ks}.recipients (chunk, block, first, digest, rows) VALUES (?, ?, ?, ?, ?)";
    recipients_read: Large = "SELECT block, rows FROM {ks}.recipients WHERE chunk = ? AND block IN ?";

    state_save: Plain = "INSERT INTO {ks}.chunk_states (chunk, stamp, state, total, pending, sent, delivered, read, responded, \
        clicked, ordered, failed, opted_out, skipped, cancelled, unknown, retries) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?";
    state_save_details: Plain = "INSERT INTO {ks}.chunk_states (chunk, stamp, state, total, pending, sent, delivered, read, responded, \
        clicked, ordered, failed, opted_out, skipped, cancelled, unknown, retries, at, details) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?";
    state_load: Plain = "SELECT DISTINCT chunk, stamp, state FROM {ks}.chunk_states WHERE chunk = ?";
    state_counters: Plain = "SELECT DISTINCT chunk, total, pending, sent, delivered, read, responded, clicked, ordered, failed, \
        opted_out, skipped, cancelled, unknown, retries FROM {ks}.chunk_states WHERE chunk = ?";
    state_details: Large = "SELECT at, details FROM {ks}.chunk_states WHERE chunk = ?";

    send_note: Plain = "INSERT INTO {ks}.correlated_sends (key, at, send) VALUES (?, ?, ?) USING TTL ?";
    send_list: Plain = "SELECT at, send FROM {ks}.correlated_sends WHERE key = ?";
    send_any: Plain = "SELECT at FROM {ks}.correlated_sends WHERE key = ? LIMIT 1";

    fact_note: Plain = "INSERT INTO {ks}.early_facts (key, received, digest, fact) VALUES (?, ?, ?, ?) USING TTL ?";
    fact_list: Plain = "SELECT fact FROM {ks}.early_facts WHERE key = ?";
    fact_read: Plain = "SELECT fact FROM {ks}.early_facts WHERE key = ? AND received = ? AND digest = ?";
    fact_remove: Plain = "DELETE FROM {ks}.early_facts WHERE key = ? AND received = ? AND digest = ?";
    by_hour_note: Plain = "INSERT INTO {ks}.early_by_hour (hour, received, key, digest) VALUES (?, ?, ?, ?) USING TTL ?";
    by_hour_list: Plain = "SELECT received, key, digest FROM {ks}.early_by_hour WHERE hour = ? AND received < ? LIMIT ?";
    by_hour_remove: Plain = "DELETE FROM {ks}.early_by_hour WHERE hour = ? AND received = ? AND key = ? AND digest = ?";
    hour_note: Plain = "INSERT INTO {ks}.early_hours (one, hour, mark) VALUES (1, ?, ?)";
    hour_list: Plain = "SELECT hour, mark FROM {ks}.early_hours WHERE one = 1";
    hour_remove: Plain = "DELETE FROM {ks}.early_hours WHERE one = 1 AND hour = ?";

    suppress: Plain = "INSERT INTO {ks}.suppressions (tenant, channel, bucket, address, reason) VALUES (?, ?, ?, ?, ?)";
    suppressed: Plain = "SELECT address FROM {ks}.suppressions WHERE tenant = ? AND channel = ? AND bucket = ? AND address IN ?";

    lives_read: Serial = "SELECT count, lives FROM {ks}.topic_generations WHERE topic = ?";
    lives_create: Conditional = "INSERT INTO {ks}.topic_generations (topic, count, lives) VALUES (?, 1, ?) IF NOT EXISTS";
    lives_add: Conditional = "UPDATE {ks}.topic_generations SET count = ?, lives = ? WHERE topic = ? IF count = ?";
}

async fn prepare(connected: &Connected, kind: Kind, text: &str) -> Result<PreparedStatement, CqlError> {
    let prepared = connected.session.prepare(text).await;
    let mut statement = prepared.map_err(|error| CqlError::failed(format!("preparing {text:?}"), error))?;
    let is_under_lwt = matches!(kind, Kind::Serial | Kind::Conditional);
    let profile = if is_under_lwt { &connected.conditional } else { &connected.plain };
    statement.set_execution_profile_handle(Some(profile.clone()));
    statement.set_is_idempotent(!matches!(kind, Kind::Conditional));
    match kind {
        Kind::Serial => statement.set_consistency(connected.serial),
        Kind::Large => statement.set_page_size(LARGE_ROWS_PER_PAGE),
        Kind::Plain | Kind::Conditional => {}
    }
    Ok(statement)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hazard_18_nothing_is_taken_away_from_facts_and_no_clock_stamps_them() {
        let of = |table: &str| {
            let texts: Vec<String> = TEXTS.iter().map(|text| text.to_lowercase()).collect();
            texts.into_iter().filter(|text| text.contains(table)).collect::<Vec<_>>()
        };
        let (states, recipients) = (of("{ks}.chunk_states"), of("{ks}.recipients"));
        for text in states.iter().chain(&recipients) {
            for word in ["delete", "update", "null", "ttl"] {
                assert!(!text.contains(word), "{word}: {text}");
            }
        }
        let mut saves = states.iter().filter(|text| text.starts_with("insert")).peekable();
        assert!(saves.peek().is_some());
        saves.for_each(|text| assert!(text.ends_with(" using timestamp ?"), "{text}"));
    }
}
