use std::time::Duration;

use sluice_engines::{Cassandra, CassandraOptions, CqlConnection};

const KEYSPACE: &str =
    "CREATE KEYSPACE kept WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}";

#[test]
fn a_killed_node_comes_back_with_every_write_it_acknowledged() {
    const ROWS: u8 = 200;
    let mut cassandra = Cassandra::start(CassandraOptions::default()).unwrap();
    let address = cassandra.contact_point();
    let mut cql = CqlConnection::open(&address, None).unwrap();
    cql.run(KEYSPACE).unwrap();
    cql.run("CREATE TABLE kept.rows (id int PRIMARY KEY, body text)").unwrap();
    cql.run("CREATE TABLE kept.claims (id int PRIMARY KEY, owner int)").unwrap();
    for id in 0..ROWS {
        cql.run(&format!("INSERT INTO kept.rows (id, body) VALUES ({id}, 'b')")).unwrap();
        cql.run(&format!("INSERT INTO kept.claims (id, owner) VALUES ({id}, 1) IF NOT EXISTS")).unwrap();
    }

    // The last acknowledgement is not a millisecond old.
    cassandra.kill();
    assert!(CqlConnection::open(&address, None).is_err(), "a killed node answers");
    cassandra.restart().unwrap();

    assert_eq!(cassandra.contact_point(), address);
    let mut cql = CqlConnection::open(&address, None).unwrap();
    for table in ["rows", "claims"] {
        let answer = cql.run(&format!("SELECT count(*) FROM kept.{table}")).unwrap();
        // The one column of the one row comes last, a bigint.
        assert_eq!(answer.last_chunk(), Some(&u64::from(ROWS).to_be_bytes()), "{table}");
    }

    cassandra.freeze().unwrap();
    cql.limit(Duration::from_secs(1)).unwrap();
    assert!(cql.run("SELECT count(*) FROM kept.rows").is_err(), "a frozen node answers");
    cassandra.thaw().unwrap();
    cassandra.stop().unwrap();
    let again = cassandra.stop().unwrap_err().to_string();
    assert_eq!(again, "cassandra is not running");
}
