//! Values of Parquet as the text that a CSV file of them would hold.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float16Type,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use sluice_core::row::CELL_BYTES_MAX;
use std::fmt::Write as _;

/// Bytes of a row at most, as in CSV and NDJSON.
const ROW_BYTES_MAX: usize = 1024 * 1024;
/// Said of rows over the limit.
const TOO_LONG: &str = "longer than 1 MiB";
/// The largest integers up to which each has a floating-point number of its own.
const EXACT_F64: f64 = 9_007_199_254_740_992.0;
const EXACT_F32: f32 = 16_777_216.0;

/// Whether values of this type have a text; otherwise what they are.
pub(super) fn kind_of(kind: &DataType) -> Result<(), String> {
    match kind {
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => Err("lists".to_owned()),
        DataType::Struct(_) => Err("structures".to_owned()),
        DataType::Map(..) => Err("maps".to_owned()),
        DataType::Interval(_) => Err("intervals".to_owned()),
        DataType::FixedSizeBinary(16) | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(()),
        DataType::FixedSizeBinary(length) => Err(format!("binary data of {length} bytes")),
        DataType::Null
        | DataType::Boolean
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Timestamp(..)
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => Ok(()),
        other if other.is_numeric() => Ok(()),
        other => Err(format!("values of the type {other}")),
    }
}

/// The cells of one row after the other, in memory that is used again.
#[derive(Debug, Default)]
pub(super) struct RowText {
    text: String,
    ends: Vec<u32>,
}

impl RowText {
    /// The cells of a row; what is null is empty.
    pub(super) fn read(
        &mut self,
        batch: &RecordBatch,
        row: usize,
        uuids: &[bool],
    ) -> Result<(&str, &[u32]), String> {
        self.text.clear();
        self.ends.clear();
        for (index, column) in batch.columns().iter().enumerate() {
            if !column.is_null(row) {
                let uuid = uuids.get(index).copied().unwrap_or_default();
                if let Err(problem) = push(column.as_ref(), row, uuid, &mut self.text) {
                    return Err(match problem {
                        TOO_LONG => TOO_LONG.to_owned(),
                        problem => format!("column `{}` {problem}", batch.schema_ref().field(index).name()),
                    });
                }
            }
            self.ends.push(self.text.len() as u32);
        }
        Ok((&self.text, &self.ends))
    }

    /// What was read of a row that has a problem.
    pub(super) fn so_far(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// Appends a value as text.
fn push(column: &dyn Array, row: usize, uuid: bool, out: &mut String) -> Result<(), &'static str> {
    macro_rules! number {
        ($kind:ty) => {
            shown(out, column.as_primitive::<$kind>().value(row))
        };
    }
    match column.data_type() {
        DataType::Null => Ok(()),
        DataType::Utf8View => text(out, column.as_string_view().value(row)),
        DataType::Utf8 => text(out, column.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => text(out, column.as_string::<i64>().value(row)),
        DataType::BinaryView => bytes(out, column.as_binary_view().value(row)),
        DataType::Binary => bytes(out, column.as_binary::<i32>().value(row)),
        DataType::LargeBinary => bytes(out, column.as_binary::<i64>().value(row)),
        DataType::FixedSizeBinary(_) if uuid => {
            for (index, byte) in column.as_fixed_size_binary().value(row).iter().enumerate() {
                let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
                write!(out, "{dash}{byte:02x}").map_err(|_| TOO_LONG)?;
            }
            Ok(())
        }
        DataType::Boolean => shown(out, column.as_boolean().value(row)),
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::UInt8 => number!(UInt8Type),
        DataType::UInt16 => number!(UInt16Type),
        DataType::UInt32 => number!(UInt32Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::Float16 => number!(Float16Type),
        DataType::Float32 => {
            let value = column.as_primitive::<Float32Type>().value(row);
            float(out, value, value.is_nan(), value.abs() <= EXACT_F32)
        }
        DataType::Float64 => {
            let value = column.as_primitive::<Float64Type>().value(row);
            float(out, value, value.is_nan(), value.abs() <= EXACT_F64)
        }
        DataType::Decimal32(..) => shown(out, column.as_primitive::<Decimal32Type>().value_as_string(row)),
        DataType::Decimal64(..) => shown(out, column.as_primitive::<Decimal64Type>().value_as_string(row)),
        DataType::Decimal128(..) => shown(out, column.as_primitive::<Decimal128Type>().value_as_string(row)),
        DataType::Decimal256(..) => shown(out, column.as_primitive::<Decimal256Type>().value_as_string(row)),
        DataType::Date32 => date(out, i64::from(column.as_primitive::<Date32Type>().value(row))),
        DataType::Date64 => date(out, column.as_primitive::<Date64Type>().value(row).div_euclid(86_400_000)),
        DataType::Time32(_) | DataType::Time64(_) => {
            let (count, unit) = time_of_day(column, row);
            clock(out, count, unit)
        }
        DataType::Timestamp(_, zone) => {
            let (count, unit) = timestamp(column, row);
            let day = count.div_euclid(86_400 * unit);
            date(out, day)?;
            out.push('T');
            clock(out, count.rem_euclid(86_400 * unit), unit)?;
            // Without a zone the file says nothing about where that clock hangs.
            if zone.is_some() {
                out.push('Z');
            }
            Ok(())
        }
        _ => Err("holds what is no text"),
    }
}

fn text(out: &mut String, value: &str) -> Result<(), &'static str> {
    // Before copying: a file of some bytes can hold rows of gigabytes.
    if value.len() > CELL_BYTES_MAX.max(ROW_BYTES_MAX) || out.len() + value.len() > ROW_BYTES_MAX {
        return Err(TOO_LONG);
    }
    out.push_str(value);
    Ok(())
}

fn bytes(out: &mut String, value: &[u8]) -> Result<(), &'static str> {
    text(out, std::str::from_utf8(value).map_err(|_| "is not UTF-8")?)
}

fn shown(out: &mut String, value: impl std::fmt::Display) -> Result<(), &'static str> {
    write!(out, "{value}").map_err(|_| TOO_LONG)
}

/// Not a number is a missing value, as the tools that write it mean it. Beyond its exact integers an id has lost
/// digits: it would be somebody else's.
fn float(
    out: &mut String,
    value: impl std::fmt::Display,
    nan: bool,
    exact: bool,
) -> Result<(), &'static str> {
    match (nan, exact) {
        (true, _) => Ok(()),
        (false, true) => shown(out, value),
        (false, false) => {
            Err("is a floating-point number that has lost digits; export it as text or integer")
        }
    }
}

fn per_second(unit: &TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// A timestamp and how many of its units are a second.
fn timestamp(column: &dyn Array, row: usize) -> (i64, i64) {
    let DataType::Timestamp(unit, _) = column.data_type() else { return (0, 1) };
    let count = match unit {
        TimeUnit::Second => column.as_primitive::<TimestampSecondType>().value(row),
        TimeUnit::Millisecond => column.as_primitive::<TimestampMillisecondType>().value(row),
        TimeUnit::Microsecond => column.as_primitive::<TimestampMicrosecondType>().value(row),
        TimeUnit::Nanosecond => column.as_primitive::<TimestampNanosecondType>().value(row),
    };
    (count, per_second(unit))
}

/// A time of day and how many of its units are a second.
fn time_of_day(column: &dyn Array, row: usize) -> (i64, i64) {
    match column.data_type() {
        DataType::Time32(TimeUnit::Second) => {
            (i64::from(column.as_primitive::<Time32SecondType>().value(row)), 1)
        }
        DataType::Time32(_) => (i64::from(column.as_primitive::<Time32MillisecondType>().value(row)), 1_000),
        DataType::Time64(TimeUnit::Microsecond) => {
            (column.as_primitive::<Time64MicrosecondType>().value(row), 1_000_000)
        }
        _ => (column.as_primitive::<Time64NanosecondType>().value(row), 1_000_000_000),
    }
}

/// `2026-11-21` of a day since 1970-01-01 in the Gregorian calendar.
fn date(out: &mut String, days: i64) -> Result<(), &'static str> {
    // Counted in eras of 400 years from 0000-03-01, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + era * 400 + i64::from(month <= 2);
    if !(0..=9_999).contains(&year) {
        return Err("is a date outside the years 0 to 9999");
    }
    write!(out, "{year:04}-{month:02}-{day:02}").map_err(|_| TOO_LONG)
}

/// `09:30:00`, with as many digits behind the second as there are.
fn clock(out: &mut String, count: i64, unit: i64) -> Result<(), &'static str> {
    let seconds = count.div_euclid(unit);
    if !(0..86_400).contains(&seconds) {
        return Err("is no time of a day");
    }
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    write!(out, "{hours:02}:{minutes:02}:{:02}", seconds % 60).map_err(|_| TOO_LONG)?;
    let fraction = count.rem_euclid(unit) * (1_000_000_000 / unit);
    if fraction != 0 {
        let digits = format!("{fraction:09}");
        write!(out, ".{}", digits.trim_end_matches('0')).map_err(|_| TOO_LONG)?;
    }
    Ok(())
}
