//! CSV for people with spreadsheets: no cell of it becomes a formula.

/// Appends one line. A cell that begins like a formula gets a leading apostrophe.
pub fn line<'c>(out: &mut String, cells: impl IntoIterator<Item = &'c str>) {
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let guard = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
        if cell.contains([',', '"', '\n', '\r']) {
            out.push('"');
            out.push_str(guard);
            out.push_str(&cell.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(guard);
            out.push_str(cell);
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cells: &[&str]) -> String {
        let mut text = String::new();
        line(&mut text, cells.iter().copied());
        text
    }

    #[test]
    fn cells_that_begin_like_a_formula_are_guarded() {
        assert_eq!(of(&["=1+1", "+5511", "-3", "@x", "ok"]), "'=1+1,'+5511,'-3,'@x,ok\n");
    }

    #[test]
    fn separators_quotes_and_line_breaks_are_quoted() {
        assert_eq!(
            of(&["a,b", "say \"hi\"", "two\nlines", "=a,b"]),
            "\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",\"'=a,b\"\n"
        );
    }
}
