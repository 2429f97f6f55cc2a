//! What a conditional statement or batch answers (hazard 35).

use scylla::response::query_result::QueryResult;
use scylla::value::{CqlValue, Row};

/// The answer to a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// All of it is durable.
    Applied,
    /// A condition did not hold.
    Refused,
    /// No answer came: it may be applied, now or later.
    Unknown,
}

/// What the rows of an answer say; what can't be read says nothing.
pub(crate) fn applied(result: QueryResult) -> Answer {
    let read = || {
        let result = result.into_rows_result().ok()?;
        let names: Vec<&str> = result.column_specs().iter().map(|column| column.name()).collect();
        let rows: Vec<Row> = result.rows().ok()?.collect::<Result<_, _>>().ok()?;
        Some(told(&names, &rows))
    };
    read().unwrap_or(Answer::Unknown)
}

/// Only `[applied]` is looked at, by its name: the rest differs between databases (hazard 35). A batch answers
/// with one row a statement or with one in all; each says the same.
fn told(names: &[&str], rows: &[Row]) -> Answer {
    let Some(column) = names.iter().position(|name| *name == "[applied]") else { return Answer::Unknown };
    let mut answer = Answer::Unknown;
    for row in rows {
        answer = match (row.columns.get(column), answer) {
            (Some(Some(CqlValue::Boolean(true))), Answer::Applied | Answer::Unknown) => Answer::Applied,
            (Some(Some(CqlValue::Boolean(_))), _) => Answer::Refused,
            _ => return Answer::Unknown,
        };
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use scylla::value::CqlValue::{Boolean, Int};

    /// Columns of a table after `[applied]`.
    const WHOLE: [&str; 4] = ["[applied]", "id", "number", "epoch"];

    fn answer(names: &[&str], rows: &[&[Option<CqlValue>]]) -> Answer {
        let rows: Vec<Row> = rows.iter().map(|columns| Row { columns: columns.to_vec() }).collect();
        told(names, &rows)
    }

    fn int(value: i32) -> Option<CqlValue> {
        Some(Int(value))
    }

    const YES: Option<CqlValue> = Some(Boolean(true));
    const NO: Option<CqlValue> = Some(Boolean(false));

    #[test]
    fn hazard_35_one_statement_is_applied_with_and_without_the_row_before_it() {
        assert_eq!(answer(&["[applied]"], &[&[YES]]), Answer::Applied, "Cassandra");
        // ScyllaDB also tells what the row was like before, where there was one.
        let conditions = ["[applied]", "epoch", "seq"];
        assert_eq!(answer(&conditions, &[&[YES, int(4), int(7)]]), Answer::Applied);
        assert_eq!(answer(&WHOLE, &[&[YES, None, None, None]]), Answer::Applied, "a new row");
        let elsewhere = ["epoch", "[applied]"];
        assert_eq!(answer(&elsewhere, &[&[int(4), YES]]), Answer::Applied, "by name");
    }

    #[test]
    fn hazard_35_one_statement_is_refused_with_and_without_the_row_it_found() {
        let conditions = ["[applied]", "epoch", "seq"];
        assert_eq!(answer(&conditions, &[&[NO, int(4), int(7)]]), Answer::Refused);
        assert_eq!(answer(&conditions, &[&[NO, None, None]]), Answer::Refused, "no row, or a null in it");
        assert_eq!(answer(&["[applied]"], &[&[NO]]), Answer::Refused, "Cassandra where there is no row");
        // The value of a boolean column is not the answer.
        assert_eq!(answer(&["[applied]", "owned"], &[&[NO, YES]]), Answer::Refused);
        assert_eq!(answer(&["owned", "[applied]"], &[&[YES, NO]]), Answer::Refused);
    }

    #[test]
    fn hazard_35_a_batch_answers_with_one_row_in_all_or_one_a_statement() {
        assert_eq!(answer(&["[applied]"], &[&[YES]]), Answer::Applied, "Cassandra");
        let found: [&[Option<CqlValue>]; 2] = [&[NO, int(1), int(-1), int(5)], &[NO, int(1), int(0), None]];
        assert_eq!(
            answer(&WHOLE, &found[..1]),
            Answer::Refused,
            "Cassandra, which tells of the rows it found"
        );
        assert_eq!(answer(&WHOLE, &found), Answer::Refused, "both");
        let before: [&[Option<CqlValue>]; 2] = [&[YES, int(1), int(-1), int(4)], &[YES, None, None, None]];
        assert_eq!(answer(&WHOLE, &before), Answer::Applied, "ScyllaDB");
        assert_eq!(answer(&WHOLE, &[before[0], found[1]]), Answer::Refused, "one that says no is enough");
        assert_eq!(answer(&WHOLE, &[found[0], before[1]]), Answer::Refused, "in either order");
    }

    #[test]
    fn hazard_35_what_does_not_say_whether_it_was_applied_is_unknown() {
        assert_eq!(answer(&["[applied]"], &[]), Answer::Unknown);
        assert_eq!(answer(&["applied"], &[&[YES]]), Answer::Unknown);
        assert_eq!(answer(&["[applied]"], &[&[None]]), Answer::Unknown);
        assert_eq!(answer(&["[applied]"], &[&[int(1)]]), Answer::Unknown);
        assert_eq!(answer(&["[applied]"], &[&[YES], &[]]), Answer::Unknown);
    }
}
