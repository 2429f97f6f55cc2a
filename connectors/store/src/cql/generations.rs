//! The lives of topics, numbered from 1 (hazard 17).

use super::access::Access;
use super::answer::Answer;
use crate::embedded::codec::{from_json, json};
use sluice_runtime::ports::store::{StoreError, StoreResult};

/// What a life is among those that are known.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// The newest, with its number.
    Newest(u32),
    /// Never seen.
    New,
    /// Another came after it.
    Older { number: u32, newest: String },
}

fn place(lives: &[String], life: &str) -> Place {
    match lives.iter().position(|known| known == life) {
        None => Place::New,
        Some(at) if at + 1 == lives.len() => Place::Newest(lives.len() as u32),
        Some(at) => Place::Older { number: at as u32 + 1, newest: lives.last().cloned().unwrap_or_default() },
    }
}

/// The number of `life`; `Err` inside: it is an older one.
pub(crate) async fn number(access: &Access, topic: &str, life: &str) -> StoreResult<Result<u32, String>> {
    let statements = &access.statements;
    let what = format!("lives of topic {topic}");
    let mut patience = access.patience();
    loop {
        let found: Option<(i64, Vec<u8>)> = access.read_one(&statements.lives_read, (topic,)).await?;
        let (count, mut lives) = match found {
            Some((count, lives)) => (Some(count), from_json::<Vec<String>>(&what, &lives)?),
            None => (None, Vec::new()),
        };
        match place(&lives, life) {
            Place::Newest(number) => return Ok(Ok(number)),
            Place::Older { number, newest } => {
                return Ok(Err(format!(
                    "topic {topic}: life {life} is number {number}, and {newest} came after it; this is an older \
                     copy of the topic, or another cluster"
                )));
            }
            Place::New => {}
        }
        lives.push(life.to_owned());
        let next = lives.len() as u32;
        let lives = json(&what, &lives)?;
        let answer = match count {
            None => access.compare(&statements.lives_create, (topic, lives), &mut patience).await?,
            Some(count) => {
                let values = (count + 1, lives, topic, count);
                access.compare(&statements.lives_add, values, &mut patience).await?
            }
        };
        // Whoever adds the same life makes the same row: a lost answer is read back above.
        if answer == Answer::Applied {
            return Ok(Ok(next));
        }
        patience.wait().await?;
    }
}

/// For people.
pub(crate) fn unknown(topic: &str, error: &StoreError) -> String {
    format!("topic {topic}: its number can't be read or written: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hazard_17_only_the_newest_life_has_a_number_to_work_under() {
        let lives = ["a".to_owned(), "b".to_owned()];
        assert_eq!(place(&[], "a"), Place::New);
        assert_eq!(place(&lives, "b"), Place::Newest(2));
        assert_eq!(place(&lives, "c"), Place::New);
        assert_eq!(place(&lives, "a"), Place::Older { number: 1, newest: "b".to_owned() });
    }
}
