use super::*;
use arrow_array::{ArrayRef, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use sluice_core::row::Keep;
use sluice_schemas::Channel;

#[test]
fn g9_200_000_rows_in_one_row_group_are_decoded_some_kib_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("people.parquet");
    let column = |prefix: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..200_000).map(|number| format!("{prefix}-{number:07}"))))
    };
    let rows = RecordBatch::try_from_iter([("address", column("p")), ("ignored", column("x"))]).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(1_000_000)).build();
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(properties)).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
    let whole = rows.column(0).get_array_memory_size();

    let options = AudienceOptions::default();
    let content = Content::file(&path, &options).unwrap();
    let rules = ColumnRules {
        channel: Channel::Http,
        mapping: Default::default(),
        pages: vec!["p1".into()],
        keep: Keep::Only(Vec::new()),
        needed: Vec::new(),
    };
    let (mut reader, columns) = ParquetReader::open(&content, &rules, &options).unwrap();
    assert_eq!(columns.names().len(), 1, "what the launch does not use is not decoded");
    let columns = Arc::new(columns);
    let (mut count, mut peak_text) = (0_u64, 0);
    loop {
        let mut batch = Batch::new(Arc::clone(&columns), count, 4_096);
        reader.read(&mut batch, 4_096).unwrap();
        if batch.is_empty() {
            break;
        }
        count += batch.len() as u64;
        peak_text = peak_text.max(batch.len() * "p-0000000".len());
    }
    assert_eq!(count, 200_000);
    assert!(reader.peak_bytes * 2 < whole, "{} of {whole} bytes at once", reader.peak_bytes);
    assert!(peak_text <= 64 * 1024);
}
