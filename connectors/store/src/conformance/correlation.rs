//! Correlation of webhooks with sends, and suppressions.

use super::{campaign, chunk_id, page, scoped};
use sluice_core::SendId;
use sluice_runtime::ports::store::{CorrelatedSend, CorrelationKey, EarlyFact, Store};
use sluice_schemas::{Channel, Fact};

fn message(id: &str) -> CorrelationKey {
    CorrelationKey::Message(Channel::Whatsapp, scoped(id))
}

fn person(address: &str) -> CorrelationKey {
    CorrelationKey::Person(page(), address.to_owned())
}

fn sent(index: u16, at_ms: i64) -> CorrelatedSend {
    let chunk = chunk_id(campaign("spring-sale", 1).id, 1, 0);
    CorrelatedSend { send: SendId { chunk, index }, attempt: 1, sent_at_ms: at_ms }
}

fn fact(fact: Fact, received_at_ms: i64) -> EarlyFact {
    EarlyFact {
        fact,
        at_ms: received_at_ms - 5,
        reason: None,
        message: Some("text".to_owned()),
        received_at_ms,
    }
}

/// Both sides store, then look: of a webhook and its accepted send at least one finds the other.
pub async fn hazard_19_one_of_both_sides_sees_the_other(store: &dyn Store) {
    for round in 0..20 {
        let key = if round % 3 == 0 { person(&format!("p-{round}")) } else { message(&format!("m-{round}")) };
        let accepted = async {
            store.correlate(vec![(key.clone(), sent(round, 10))]).await.unwrap();
            store.noted_facts(&key).await.unwrap()
        };
        let webhook = async {
            store.note_facts(vec![(key.clone(), fact(Fact::Delivered, 20))]).await.unwrap();
            store.correlated(&key).await.unwrap()
        };
        let (facts, sends) = if round % 2 == 0 {
            tokio::join!(accepted, webhook)
        } else {
            swap(tokio::join!(webhook, accepted))
        };
        assert!(!facts.is_empty() || !sends.is_empty(), "round {round}: neither saw the other");
    }
}

fn swap<A, B>((a, b): (A, B)) -> (B, A) {
    (b, a)
}

/// Under each key its own; a repeated note is one note.
pub async fn correlated_sends_come_oldest_first_and_once(store: &dyn Store) {
    let (key, other) = (person("p-1"), person("p-12"));
    let sends = [sent(3, 300), sent(1, 100), sent(2, 200)];
    for _ in 0..2 {
        store.correlate(sends.iter().map(|send| (key.clone(), *send)).collect()).await.unwrap();
    }
    store.correlate(vec![(other.clone(), sent(9, 50)), (message("p-1"), sent(8, 60))]).await.unwrap();
    assert_eq!(store.correlated(&key).await.unwrap(), [sent(1, 100), sent(2, 200), sent(3, 300)]);
    assert_eq!(store.correlated(&other).await.unwrap(), [sent(9, 50)]);
    assert_eq!(store.correlated(&message("p-1")).await.unwrap(), [sent(8, 60)]);
    assert_eq!(store.correlated(&message("p")).await.unwrap(), []);
    let elsewhere = CorrelationKey::Message(Channel::Sms, scoped("p-1"));
    assert_eq!(store.correlated(&elsewhere).await.unwrap(), []);
}

/// Expires the property's own facts: in a shared store others may have left some.
async fn expire(store: &dyn Store, before_ms: i64, limit: usize) -> Vec<(CorrelationKey, EarlyFact)> {
    let prefix = scoped("");
    let is_own =
        |key: &CorrelationKey| matches!(key, CorrelationKey::Message(_, id) if id.starts_with(&prefix));
    let mut expired = store.expire_facts(before_ms, limit).await.unwrap();
    assert!(expired.len() <= limit);
    expired.retain(|(key, _)| is_own(key));
    expired
}

/// What found no send in time is handed out once; what found one goes silently.
pub async fn early_facts_expire_only_unmatched(store: &dyn Store) {
    let facts = vec![
        (message("late"), fact(Fact::Delivered, 100)),
        (message("matched"), fact(Fact::Delivered, 110)),
        (message("matched"), fact(Fact::Read, 120)),
        (person("p-1"), fact(Fact::Read, 100)),
        (message("young"), fact(Fact::Delivered, 1_000)),
    ];
    store.note_facts(facts.clone()).await.unwrap();
    store.correlate(vec![(message("matched"), sent(1, 90))]).await.unwrap();
    assert_eq!(store.noted_facts(&message("late")).await, Ok(vec![fact(Fact::Delivered, 100)]));
    assert_eq!(store.noted_facts(&message("matched")).await.unwrap().len(), 2);

    assert_eq!(expire(store, 100, 10).await, [], "received at, not before, that time");
    assert_eq!(expire(store, 500, 10).await, [facts[0].clone()]);
    assert_eq!(expire(store, 500, 10).await, [], "given out once");
    for gone in ["late", "matched"] {
        assert_eq!(store.noted_facts(&message(gone)).await, Ok(Vec::new()), "{gone}");
    }
    assert_eq!(store.noted_facts(&person("p-1")).await, Ok(vec![fact(Fact::Read, 100)]), "a watermark stays");
    assert_eq!(store.noted_facts(&message("young")).await, Ok(vec![fact(Fact::Delivered, 1_000)]));
    assert_eq!(store.correlated(&message("matched")).await, Ok(vec![sent(1, 90)]));
}

/// A backlog is worked off piece by piece, nothing twice and nothing forgotten.
pub async fn facts_expire_within_the_limit(store: &dyn Store) {
    let all: Vec<_> = (0..10).map(|n| (message(&format!("m-{n}")), fact(Fact::Read, 100 + n))).collect();
    store.note_facts(all.clone()).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..100 {
        let some = expire(store, 500, 3).await;
        if some.is_empty() {
            break;
        }
        seen.extend(some);
    }
    seen.sort_by_key(|(_, fact)| fact.received_at_ms);
    assert_eq!(seen, all);
}

/// Nobody else's people are concerned.
pub async fn a_suppression_holds_for_one_tenant_and_channel(store: &dyn Store) {
    let asked = ["+1", "+2", "+3", "+2"];
    let look = async |tenant, channel| store.suppressed(&scoped(tenant), channel, &asked).await.unwrap();
    assert_eq!(look("t", Channel::Sms).await, [false; 4]);
    let why = |address: &str| (address.to_owned(), "asked to stop".to_owned());
    store.suppress(&scoped("t"), Channel::Sms, vec![why("+2"), why("+9")]).await.unwrap();
    store.suppress(&scoped("t"), Channel::Sms, vec![why("+2")]).await.unwrap();
    assert_eq!(look("t", Channel::Sms).await, [false, true, false, true]);
    assert_eq!(look("t", Channel::Whatsapp).await, [false; 4]);
    assert_eq!(look("tt", Channel::Sms).await, [false; 4]);
    store.suppress(&scoped("tt"), Channel::Sms, vec![why("+3")]).await.unwrap();
    assert_eq!(look("t", Channel::Sms).await, [false, true, false, true]);
    assert_eq!(look("tt", Channel::Sms).await, [false, false, true, false]);
    assert_eq!(store.suppressed(&scoped("t"), Channel::Sms, &[]).await, Ok(Vec::new()));
}
