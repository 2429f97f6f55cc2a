//! Migrations, and what a database is refused for.

use crate::cql::{connect, drop_keyspace, fresh, session};
use sluice_runtime::ports::store::Store;
use sluice_runtime::{Clock, SystemClock};
use sluice_store::CqlStore;
use sluice_store::cql::{CqlError, CqlOptions, MigrateReport, SCHEMA_VERSION, check, migrate};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

async fn refused(options: &CqlOptions) -> CqlError {
    CqlStore::connect(options, SystemClock.wall_ms()).await.map(drop).unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_twice_changes_nothing_the_second_time() {
    let options = fresh();
    let first = migrate(&options).await;
    assert_eq!(first, Ok(MigrateReport { is_new_keyspace: true, from: 0, to: SCHEMA_VERSION }));
    let second = migrate(&options).await;
    assert_eq!(
        second,
        Ok(MigrateReport { is_new_keyspace: false, from: SCHEMA_VERSION, to: SCHEMA_VERSION })
    );
    let report = check(&options, SystemClock.wall_ms()).await;
    assert_eq!((report.refusals, report.schema), (Vec::new(), SCHEMA_VERSION));
    assert_eq!(report.replication.get("datacenter1").map(String::as_str), Some("1"));
    assert!(report.database.starts_with("Apache Cassandra "), "{}", report.database);
    assert!(report.commit_log.is_some() && report.skew_ms.len() == 1);
    assert!(report.warnings.iter().any(|warning| warning.contains("one replica")), "{:?}", report.warnings);
    drop_keyspace(&options).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_may_migrate_at_once() {
    let options = fresh();
    let go = || migrate(&options);
    let (a, b, c, d) = tokio::join!(go(), go(), go(), go());
    for report in [a, b, c, d] {
        assert_eq!(report.unwrap().to, SCHEMA_VERSION);
    }
    assert_eq!(connect(&options).await.campaigns().await, Ok(Vec::new()));
    drop_keyspace(&options).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_keyspace_and_older_or_newer_tables_are_refused_with_what_to_do() {
    let options = fresh();
    let name = options.keyspace.clone();
    assert_eq!(refused(&options).await, CqlError::NoKeyspace(name.clone()));
    let by_hand = CqlOptions { replication: Default::default(), ..options.clone() };
    assert_eq!(migrate(&by_hand).await, Err(CqlError::NoKeyspace(name.clone())));

    let session = session().await;
    let text = format!(
        "CREATE KEYSPACE {name} WITH replication = {{'class': 'NetworkTopologyStrategy', 'datacenter1': 1}}"
    );
    session.query_unpaged(text, ()).await.unwrap();
    let older = refused(&options).await;
    let expected = CqlError::OlderSchema { keyspace: name.clone(), found: 0, expected: SCHEMA_VERSION };
    assert_eq!(older, expected);
    assert!(older.to_string().contains("sluice store migrate"));
    migrate(&by_hand).await.unwrap();

    let newer = format!("UPDATE {name}.schema_migrations SET version = 99 WHERE name = 'version' IF EXISTS");
    session.query_unpaged(newer, ()).await.unwrap();
    let expected = CqlError::NewerSchema { keyspace: name.clone(), found: 99, expected: SCHEMA_VERSION };
    assert_eq!(refused(&options).await, expected);
    assert_eq!(migrate(&options).await, Err(expected));

    let lossy = format!("ALTER KEYSPACE {name} WITH durable_writes = false");
    session.query_unpaged(lossy, ()).await.unwrap();
    let report = check(&options, SystemClock.wall_ms()).await;
    assert_eq!(report.refusals.len(), 2, "{:?}", report.refusals);
    assert!(report.refusals[1].to_string().contains("durable_writes = true"));
    drop_keyspace(&options).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_far_off_is_refused() {
    let options = fresh();
    migrate(&options).await.unwrap();
    for (off_ms, word) in [(-60_000, "ahead of"), (60_000, "behind")] {
        let refused = CqlStore::connect(&options, SystemClock.wall_ms() + off_ms).await;
        let told = refused.map(drop).unwrap_err();
        assert!(matches!(told, CqlError::Clock { .. }), "{told}");
        assert!(told.to_string().contains(word), "{told}");
    }
    drop_keyspace(&options).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_address_and_a_wrong_data_centre_are_named() {
    let options = fresh();
    let nobody = CqlOptions { contact_points: vec!["127.0.0.1:1".to_owned()], ..options.clone() };
    let told = refused(&nobody).await;
    assert!(matches!(told, CqlError::Unreachable { .. }), "{told}");
    assert!(told.to_string().contains("127.0.0.1:1") && told.to_string().contains("contact_points"));
    assert_eq!(check(&nobody, 0).await.refusals, [told]);

    let elsewhere = CqlOptions { local_dc: Some("mars".to_owned()), ..options.clone() };
    let told = refused(&elsewhere).await.to_string();
    assert!(told.starts_with("local_dc: ") && told.contains("datacenter1"), "{told}");
    let nowhere = CqlOptions { replication: [("mars".to_owned(), 3)].into(), ..options.clone() };
    let told = migrate(&nowhere).await.unwrap_err().to_string();
    assert!(told.contains("mars") && told.contains("datacenter1"), "{told}");
}

/// A node that asks for a password and likes none: enough of the protocol for that.
fn refuse_login(mut stream: TcpStream) -> std::io::Result<()> {
    const ERROR: u8 = 0x00;
    const STARTUP: u8 = 0x01;
    const AUTHENTICATE: u8 = 0x03;
    const OPTIONS: u8 = 0x05;
    const SUPPORTED: u8 = 0x06;
    let text = |text: &str| [(text.len() as u16).to_be_bytes().as_slice(), text.as_bytes()].concat();
    loop {
        let mut header = [0; 9];
        stream.read_exact(&mut header)?;
        let mut body = vec![0; u32::from_be_bytes([header[5], header[6], header[7], header[8]]) as usize];
        stream.read_exact(&mut body)?;
        let (opcode, body) = match header[4] {
            OPTIONS => (SUPPORTED, vec![0, 0]),
            STARTUP => (AUTHENTICATE, text("org.apache.cassandra.auth.PasswordAuthenticator")),
            _ => (
                ERROR,
                [&[0, 0, 1, 0], text("Provided username ops and/or password are incorrect").as_slice()]
                    .concat(),
            ),
        };
        let head = [0x84, 0, header[2], header[3], opcode];
        stream.write_all(&[&head, (body.len() as u32).to_be_bytes().as_slice(), &body].concat())?;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_never_shown() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || refuse_login(stream));
        }
    });
    let anonymous = CqlOptions { contact_points: vec![address.clone()], ..CqlOptions::default() };
    let told = refused(&anonymous).await;
    assert!(matches!(told, CqlError::Login { .. }), "{told}");
    let login = CqlOptions { username: Some("ops".to_owned()), password: "hunter2".into(), ..anonymous };
    let told = refused(&login).await;
    assert!(matches!(told, CqlError::Login { .. }), "{told}");
    let text = format!("{told} {told:?}");
    assert!(text.contains("password are incorrect") && text.contains(&address) && !text.contains("hunter2"));
}
