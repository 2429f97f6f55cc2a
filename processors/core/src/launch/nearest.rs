//! The nearest known word to a misspelled one.

/// The candidate nearest to `word` by edit distance, if it is near enough to be meant: at most a third
/// of the word's characters differ (two for short words). Case, `-` and `_` do not count.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = folded(word);
    let limit = (word.len() / 3).max(2);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &folded(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn folded(word: &str) -> Vec<char> {
    let folded = word.chars().take(64).map(|c| if matches!(c, '-' | ' ') { '_' } else { c });
    folded.flat_map(char::to_lowercase).collect()
}

/// Edits (insert, delete, replace) from one word to the other.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_misspelled_word_finds_the_one_that_was_meant() {
        let known = ["campaign", "channel", "pages", "max_retries"];
        assert_eq!(nearest("chanel", known), Some("channel"));
        assert_eq!(nearest("Max-Retries", known), Some("max_retries"));
        assert_eq!(nearest("page", known), Some("pages"));
        assert_eq!(nearest("zebra_crossing", known), None);
        assert_eq!(nearest("", known), None);
    }
}
