//! Measurements: `cargo test --release -p sluice-audience -- --ignored speed --nocapture`.

use crate::support::{file, launch};
use serde_json::json;
use sluice_audience::{FileAudiences, RowContent};
use std::fmt::Write as _;
use std::time::Instant;

const ROWS: u32 = 2_000_000;

#[test]
#[ignore = "a measurement"]
#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn speed_of_two_million_rows_decided() {
    for ending in ["csv", "ndjson"] {
        let mut text = String::new();
        if ending == "csv" {
            text.push_str("customer_id,name,phone,whatsapp_opt_in,opted_out,time_zone,first_name,coupon\n");
        }
        for number in 0..ROWS {
            let phone = 5_511_000_000_000_u64 + u64::from(number);
            if ending == "csv" {
                writeln!(text, "c{number},Ana Souza,+{phone},true,false,America/Sao_Paulo,Ana,WELCOME10")
                    .unwrap();
            } else {
                let fields =
                    "\"name\":\"Ana Souza\",\"whatsapp_opt_in\":true,\"first_name\":\"Ana\",\"coupon\":\"W\"";
                writeln!(text, "{{\"customer_id\":\"c{number}\",{fields},\"phone\":\"+{phone}\"}}").unwrap();
            }
        }
        let (directory, path) = file(&format!("people.{ending}"), text.as_bytes());
        let components =
            json!([{"type": "body", "parameters": [{"type": "text", "text": "{{coupon}} {{first_name}}"}]}]);
        let valid = launch(&json!({
            "campaign": "speed", "channel": "whatsapp", "pages": ["p1"], "audience": {"path": path},
            "message": {"template": {"name": "t", "language": "en", "components": components}},
        }));
        for owned in [false, true] {
            let start = Instant::now();
            let mut rows = FileAudiences::new(".", directory.path()).open_now(&valid).unwrap();
            let opened = start.elapsed();
            let mut count = 0;
            while let Some(batch) = rows.next_batch(1_024).unwrap() {
                for row in batch.rows() {
                    let verdict = rows.decide(&batch, row).unwrap().verdict;
                    let RowContent::Cells(cells) = row.content else { panic!() };
                    if owned {
                        std::hint::black_box(batch.columns().own(verdict, cells));
                    }
                    count += 1;
                }
            }
            assert_eq!(count, ROWS);
            let took = start.elapsed();
            println!(
                "{ending} owned={owned}: opened in {opened:?}, {:?} a row, {:.0} rows/s",
                took / ROWS,
                f64::from(ROWS) / took.as_secs_f64()
            );
        }
    }
}
