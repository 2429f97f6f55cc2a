//! The demo's audiences: one is made, one is a sample of what lists look like.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// 400 rows: 310 can receive, 57 have no PSID, 21 are there twice, 12 opted out.
pub(super) const WINBACK: &str = include_str!("../../../../../examples/winback.csv");

const FIRST: [&str; 12] =
    ["Ana", "Ben", "Chloé", "Deng", "Ewa", "Femi", "Grace", "Hugo", "Inês", "Jonas", "Kemi", "Luca"];
const LAST: [&str; 11] =
    ["Souza", "Okafor", "Martin", "Wei", "Nowak", "Adeyemi", "Lee", "Moreau", "Costa", "Weber", "Rossi"];

/// Everybody in it can receive.
pub(super) fn write_spring_sale(path: &Path, recipients: u32) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "customer_id,name,phone,whatsapp_opt_in,first_name")?;
    for number in 0..recipients {
        let (first, last) = (FIRST[number as usize % FIRST.len()], LAST[number as usize % LAST.len()]);
        writeln!(out, "c{number:07},{first} {last},+5511{},true,{first}", 900_000_000 + u64::from(number))?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_sample_has_its_400_rows() {
        assert_eq!(super::WINBACK.lines().count(), 401);
    }
}
